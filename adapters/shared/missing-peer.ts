/** What to say when an engine's client is not installed, or only a part of it is. */
import { FunboostError } from "../../src/base/errors.ts";
import { findManifest } from "./peer.ts";

/**
 * The import itself stands in the adapter's file: bundlers see no other form. `beside`: what else the engine needs;
 * those that are missing too are named in the same error.
 */
export function missingPeer(broker: string, peer: string, cause: unknown, beside: readonly string[] = []): unknown {
  const { code, message = "" } = cause as { code?: string; message?: string };
  // Installed, and broken in its own way.
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return cause;
  const missing = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1] ?? peer;
  if (/^(\.|\/|\w:|file:)/.test(missing)) return cause; // a file of an installed package
  const text =
    missing === peer || missing.startsWith(`${peer}/`)
      ? needs([peer, ...beside.filter(isMissing)])
      : lacks(peer, missing);
  return new FunboostError("MISSING_PEER", text, { where: broker, cause });
}

function needs(peers: readonly string[]): string {
  const names = peers.map((each) => `"${each}"`).join(", ");
  return `needs the ${peers.length > 1 ? "packages" : "package"} ${names}. Run: npm install ${peers.join(" ")}`;
}

/** The client is there, a package that it loads is not. */
function lacks(peer: string, missing: string): string {
  const { platform, arch } = process;
  if (!missing.includes(platform) || !missing.includes(arch))
    return `"${peer}" is installed, but not "${missing}", which it needs. Run: npm install ${missing}`;
  return (
    `"${peer}" is installed, but not "${missing}", its native part for this platform. ` +
    "Install on this platform, with optional dependencies; node_modules of another one do not fit. " +
    "Run: npm install --include=optional"
  );
}

function isMissing(peer: string): boolean {
  try {
    return findManifest(peer) === undefined;
  } catch {
    return false; // a bundle that does not know where it is
  }
}
