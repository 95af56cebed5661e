/**
 * Words of somebody else as a sentence to which another may be added: a relay's reply or an error may end in a full stop,
 * or in none.
 */
export const sentence = (words: string): string => {
  const text = words.trim().replace(/[\s.,:;]+$/, '');
  return /[!?…]$/.test(text) ? text : `${text}.`;
};
