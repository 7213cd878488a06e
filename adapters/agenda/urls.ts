/** Urls of the backends in messages: without secrets, and what is wrong in them. */
import { FunboostError } from "../../src/base/errors.ts";

/** For messages. A password may stand in the query too, or hold characters that no URL may have. */
export const withoutSecrets = (url: string): string => url.replace(/\/\/.*@/s, "//***@").replace(/\?.*/s, "");

/** Undefined: `error` is not about how a url is written. Those of the clients carry the url. */
export function unreadableUrl(error: unknown): Error | undefined {
  if (!(error instanceof URIError) && (error as { code?: unknown } | undefined)?.code !== "ERR_INVALID_URL")
    return undefined;
  return new FunboostError(
    "BAD_OPTION",
    "url cannot be read: characters such as / @ # % in a password are written %2F %40 %23 %25.",
    { where: "agenda" },
  );
}
