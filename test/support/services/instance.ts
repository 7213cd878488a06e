/** One running server: started in its place, waited for, found again by its pid file. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../../src/base/clock.ts";
import { launch, pidIn, stop, tail } from "./process.ts";
import type { Place, Server } from "./server.ts";

const readyMs = 60_000;

/** The files beside its data. */
export const pidFileOf = (folder: string) => join(folder, "pid");
export const logOf = (folder: string) => join(folder, "log");

interface Start {
  readonly server: Server;
  readonly place: Place;
  /** Where its pid and log are; its data may have to be elsewhere. */
  readonly folder: string;
  readonly bound: boolean;
}

/** Starts it and waits until it serves clients. Rejects with the end of its log; then nothing runs. */
export async function start({ server, place, folder, bound }: Start): Promise<void> {
  for (const each of [folder, place.folder]) mkdirSync(each, { recursive: true });
  const command = await server.prepare(place);
  const pidFile = pidFileOf(folder);
  const child = launch(command, { pidFile, log: logOf(folder), bound });
  const address = server.address(place.ports[0] ?? 0);
  const started = performance.now();
  let reason = "";
  while (performance.now() - started < readyMs && child.exitCode === null && child.signalCode === null) {
    reason = await refusal(server, address);
    // A server that found its port taken has ended by now, and somebody else has answered.
    if (reason === "" && pidIn(pidFile) !== undefined) return;
    await sleep(50);
  }
  const ended = pidIn(pidFile) === undefined;
  await stop(pidFile, "SIGKILL");
  rmSync(pidFile, { force: true });
  throw new Error(
    `${server.name} ${ended ? "ended at its start" : `did not serve within ${readyMs / 1000} s (${reason})`}:\n${tail(logOf(folder))}`,
  );
}

/** Why it does not serve at this address; empty when it does. */
export async function refusal(server: Server, address: string): Promise<string> {
  try {
    await server.check(address);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0] || error.name : String(error);
  }
}
