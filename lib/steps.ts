/** Requests side by side: enough to hide their way, too few to crowd out what else this process has to do. */
const abreast = 16;

/** Does the same for each of many, some at a time and in their order. @returns the results in that order */
export const inSteps = async <T, R>(
  items: readonly T[],
  step: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += abreast) {
    results.push(...(await Promise.all(items.slice(i, i + abreast).map((item, j) => step(item, i + j)))));
  }
  return results;
};
