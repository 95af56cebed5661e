/** Words of somebody else without the stop that they may end in, to be followed by a stop or words of ours. */
export const clause = (words: string): string => words.trim().replace(/[\s.,:;]+$/, '');

/** Words of somebody else as a sentence to which another may be added: a reply or an error ends in a full stop, or in none. */
export const sentence = (words: string): string => {
  const text = clause(words);
  return /[!?…]$/.test(text) ? text : `${text}.`;
};
