/** Errors of ioredis in our words. */
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";
import { maskSecrets } from "../../src/base/mask-secrets.ts";

const refusals = new RegExp(
  [
    "WRONGPASS|NOAUTH|NOPERM|invalid (username|password)|ERR AUTH|ERR DB index",
    "certificate|self.signed|ssl|wrong version number",
  ].join("|"),
  "i",
);
const outages = new RegExp(
  [
    "ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOENT",
    "connection is closed|max retries per request|isn't writeable|connection close|timed out",
    "^(LOADING|READONLY|OOM|MISCONF|CLUSTERDOWN|MASTERDOWN|TRYAGAIN)",
  ].join("|"),
  "i",
);

/** Others stay as they are. `lastTrouble`: what the connection said before it gave up. */
export function explainRedis(error: unknown, where: string, address: string, lastTrouble: string | undefined): Error {
  if (isFunboostError(error)) return error;
  const source = error as Error & { code?: unknown };
  const said = String(source?.message ?? error);
  const text =
    maskSecrets(/max retries|connection is closed/i.test(said) ? (lastTrouble ?? said) : said) || String(source.code);
  // A copy: the client's own errors carry the command with its arguments, a password or a body among them.
  const cause = Object.assign(
    new Error(text),
    { name: source?.name ?? "Error" },
    typeof source?.code === "string" ? { code: source.code } : {},
  );
  if (refusals.test(text))
    return new FunboostError(
      "BROKER_REFUSED",
      `Redis at ${address} refuses: ${text}. Check user, password and settings.`,
      { where, cause },
    );
  if (outages.test(`${text} ${String(source?.code ?? "")}`))
    return new FunboostError(
      "BROKER_DOWN",
      `Redis at ${address} cannot be used now: ${text}. Is it up, and is the address right?`,
      { where, cause },
    );
  return error instanceof Error ? error : cause;
}
