/**
 * Passwords in addresses, wherever a text may reach a log, an error or a record. The patterns are bounded, because
 * texts of tasks pass through them: a megabyte without a space takes no longer than one with.
 */

/** Up to the last `@` of the word: a password that nobody encoded may hold `/`, `#` and `@`. */
const anyScheme = /(\b(?!file:|https?:)[a-z][a-z0-9+.-]{0,30}:\/\/)[^\s"'`<>]{0,500}@/gi;
/** Addresses of the web have an `@` in their paths: there only a user is one, or a user and a password (no port). */
const web = /(\bhttps?:\/\/)(?:[^\s/@?#]{0,500}@|[^\s/@:?#]{0,200}:(?!\d{1,5}(?:[/?#\s]|$))[^\s"'`<>]{0,500}@)/gi;
/** `user:password@host`, where somebody left the scheme out. */
const noScheme =
  /(^|[\s"'`<>(=[,])(?!(?:mailto|node|npm|file):)[^\s"'`<>(=[,:@/]{0,200}:(?!\/\/)[^\s"'`<>]{1,500}@(?=[\w[])/gi;

/**
 * The text with `***` in place of user and password of each address in it.
 *
 * @example
 * maskSecrets("connect to redis://me:pa#ss/word@cache:6379 failed"); // "connect to redis://***@cache:6379 failed"
 */
export function maskSecrets(text: string): string {
  if (!text.includes("@")) return text;
  return text.replace(anyScheme, "$1***@").replace(web, "$1***@").replace(noScheme, "$1***@");
}
