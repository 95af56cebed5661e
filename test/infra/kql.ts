/**
 * As much of the Kusto query language as the alert rules use on log lines; anything else is an error, so that a query
 * cannot grow past what is tested here. `has` is taken as "contains", which lets through more than Kusto does.
 */
const statements: [RegExp, (groups: string[]) => (row: Row) => Row | undefined][] = [
  [/^AppTraces$/, () => (row) => row],
  [
    /^where Message has '([^']+)'$/,
    ([literal]) =>
      (row) =>
        row.Message.toLowerCase().includes(literal!.toLowerCase()) ? row : undefined,
  ],
  [
    /^extend line = parse_json\(extract\(@'(.+)', 1, Message\)\)$/,
    ([pattern]) =>
      (row) => ({ ...row, line: parsed(new RegExp(pattern!).exec(row.Message)?.[1]) }),
  ],
  [
    /^where tostring\(line\.(\w+)\) == '([^']+)'$/,
    ([field, literal]) =>
      (row) =>
        String(row.line?.[field!] ?? '') === literal ? row : undefined,
  ],
  [
    /^where tobool\(line\.(\w+)\)$/,
    ([field]) =>
      (row) =>
        row.line?.[field!] === true ? row : undefined,
  ],
];

interface Row {
  Message: string;
  line?: Record<string, unknown> | undefined;
}

const parsed = (json: string | undefined): Record<string, unknown> | undefined => {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
};

/** How many of the messages a query on `AppTraces` finds. @throws Error for a statement that is not known here */
export const countOf = (query: string, messages: string[]): number => {
  const steps = query.split('|').map((text) => {
    const statement = text.trim();
    for (const [pattern, step] of statements) {
      const match = pattern.exec(statement);
      if (match) return step(match.slice(1));
    }
    throw new Error(`unknown statement: ${statement}`);
  });
  const rows = messages.map((Message): Row => ({ Message }));
  return rows.filter((row) => steps.reduce<Row | undefined>((it, step) => it && step(it), row)).length;
};
