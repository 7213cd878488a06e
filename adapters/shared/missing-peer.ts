/** What to say when an engine's client is not installed. */
import { createRequire } from "node:module";
import { FunboostError } from "../../src/base/errors.ts";

/**
 * The import itself stands in the adapter's file: bundlers see no other form. `beside`: what else the engine needs;
 * those that are missing too are named in the same error.
 */
export function missingPeer(broker: string, peer: string, cause: unknown, beside: readonly string[] = []): unknown {
  const code = (cause as { code?: string }).code;
  // Installed, and broken in its own way.
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return cause;
  const peers = [peer, ...beside.filter(isMissing)];
  const names = peers.map((each) => `"${each}"`).join(", ");
  return new FunboostError(
    "MISSING_PEER",
    `needs the ${peers.length > 1 ? "packages" : "package"} ${names}. Run: npm install ${peers.join(" ")}`,
    { where: broker, cause },
  );
}

/** A package for `import` only is there too, though this way does not open it. */
function isMissing(peer: string): boolean {
  try {
    createRequire(import.meta.url).resolve(peer);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "MODULE_NOT_FOUND";
  }
}
