/** The servers that `npm run services` keeps running for everyone, below the ignored folder .services. */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sleep } from "../../../src/base/clock.ts";
import { run } from "./install.ts";
import { pidFileOf, refusal, start } from "./instance.ts";
import { areFree, freePorts, identity, pidIn, stop } from "./process.ts";
import type { Server } from "./server.ts";

interface State {
  readonly ports: readonly number[];
  /** Where its data is: not below us where its user cannot go. */
  readonly data: string;
  readonly version: string;
}

export interface Up extends State {
  readonly pid: number;
  readonly address: string;
}

/** The checkout's folder, from the source as well as from the build. */
function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

const folderOf = ({ name }: Server) => join(process.env.FUNBOOST_SERVICES_FOLDER || join(root(), ".services"), name);
const stateFileOf = (server: Server) => join(folderOf(server), "state.json");

function stateOf(server: Server): State | undefined {
  try {
    return JSON.parse(readFileSync(stateFileOf(server), "utf8"));
  } catch {
    return undefined;
  }
}

function remember(server: Server, state: State): void {
  const file = stateFileOf(server);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** The one that was started here and still runs. */
export function findUp(server: Server): Up | undefined {
  const state = stateOf(server);
  const pid = pidIn(pidFileOf(folderOf(server)));
  return state && pid !== undefined ? { ...state, pid, address: server.address(state.ports[0] ?? 0) } : undefined;
}

/** The one that is up and serves, else a new one, on the ports of last time if they are free. */
export async function bringUp(server: Server): Promise<Up> {
  const folder = folderOf(server);
  mkdirSync(folder, { recursive: true });
  const unlock = await lock(join(folder, "lock"));
  try {
    for (let tries = 1; ; tries++) {
      const up = findUp(server);
      if (up && (await refusal(server, up.address)) === "") return up;
      if (up) await takeDown(server); // it hangs
      const before = stateOf(server);
      const kept = before && before.ports.length === server.portCount && (await areFree(before.ports)) && tries === 1;
      const ports = kept ? before.ports : await freePorts(server.portCount);
      const data = before && existsSync(before.data) ? before.data : await dataFolder(server);
      remember(server, { ports, data, version: server.version() });
      try {
        await start({ server, place: { folder: data, ports, durable: false }, folder, bound: false });
      } catch (error) {
        if (tries < 3) continue; // somebody took a port between asking and listening
        throw error;
      }
    }
  } finally {
    unlock();
  }
}

/** Answers whether it ran. */
export function takeDown(server: Server): Promise<boolean> {
  return stop(pidFileOf(folderOf(server)), server.stopSignal ?? "SIGTERM");
}

/** A folder that the server's user can enter: below the checkout, else in the system's folder for temporary files. */
async function dataFolder(server: Server): Promise<string> {
  const folder = join(folderOf(server), "data");
  mkdirSync(folder, { recursive: true });
  if (await canEnter(server, folder)) return folder;
  rmSync(folder, { recursive: true, force: true });
  return temporaryFolder(server);
}

/** One in the system's folder for temporary files. */
export function temporaryFolder({ name }: Server): string {
  const folder = mkdtempSync(join(tmpdir(), `funboost-${name}-`));
  chmodSync(folder, 0o755);
  return folder;
}

async function canEnter({ user }: Server, folder: string): Promise<boolean> {
  if (!user || process.getuid?.() !== 0) return true;
  const entering = run({
    file: "setpriv",
    args: [`--reuid=${user}`, `--regid=${user}`, "--init-groups", "test", "-x", folder],
  });
  return entering.then(
    () => true,
    () => false,
  );
}

/** One start at a time; the lock of a process that is gone counts for nothing. */
async function lock(file: string): Promise<() => void> {
  const own = `${file}.${process.pid}`;
  writeFileSync(own, identity());
  try {
    for (;;) {
      try {
        linkSync(own, file); // a lock is never seen empty
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        if (pidIn(file) === undefined) rmSync(file, { force: true });
        else await sleep(100);
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}
