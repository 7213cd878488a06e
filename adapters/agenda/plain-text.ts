/** Text that every database keeps: without NUL and halves of surrogate pairs. */

const odd = /\0|\p{Surrogate}/u;

export const isPlain = (text: string): boolean => !odd.test(text);

export const toPlain = (text: string): string => text.replace(new RegExp(odd, "gu"), "\ufffd");
