/** What to say when an engine's client is not installed. */
import { FunboostError } from "../../src/base/errors.ts";

/** The import itself stands in the adapter's file: bundlers see no other form. */
export function missingPeer(broker: string, peer: string, cause: unknown): unknown {
  const code = (cause as { code?: string }).code;
  // Installed, and broken in its own way.
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return cause;
  return new FunboostError("MISSING_PEER", `needs the package "${peer}". Run: npm install ${peer}`, {
    where: broker,
    cause,
  });
}
