/** Urls of the backends: what is wrong in them. */
import { FunboostError } from "../../src/base/errors.ts";
import { unreadable } from "../shared/urls.ts";

/** Undefined: `error` is not about how a url is written. Those of the clients carry the url. */
export function unreadableUrl(error: unknown): Error | undefined {
  if (!(error instanceof URIError) && (error as { code?: unknown } | undefined)?.code !== "ERR_INVALID_URL")
    return undefined;
  return new FunboostError("BAD_OPTION", unreadable, { where: "agenda" });
}
