/** Which Agenda is installed, and whether it will do. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { FunboostError } from "../../src/base/errors.ts";

const oldest = [6, 2, 6] as const;

/** Before 6.2.6 locks are not extended on Redis, and a worker that stops loses its running jobs. */
export function refuseOldAgenda(version: string | undefined): void {
  if (version === undefined) return;
  const parts = version.split(".").map((part) => Number.parseInt(part, 10));
  const first = oldest.findIndex((least, i) => parts[i] !== least);
  if (first < 0 || (parts[first] ?? 0) > (oldest[first] as number)) return;
  const text = `Agenda is version ${version}. Needed is ${oldest.join(".")} or later: npm install agenda@latest.`;
  throw new FunboostError("BROKER_REFUSED", text, { where: "agenda" });
}

/** Undefined in a bundle, which tells no version. */
export function agendaVersion(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve("agenda");
    const manifest = JSON.parse(readFileSync(join(entry, "../../package.json"), "utf8")) as {
      name?: string;
      version?: string;
    };
    return manifest.name === "agenda" ? manifest.version : undefined;
  } catch {
    return undefined;
  }
}
