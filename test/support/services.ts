/** Which servers the tests can use here: a given one, else what `npm run services -- up` runs, else a private one, else a skip that says why. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../../src/base/clock.ts";
import { masked, servers, settingsOf } from "./services/all.ts";
import { pidFileOf, refusal, start } from "./services/instance.ts";
import { refuses } from "./services/probe.ts";
import { familyOf, freePorts, killNow, stop, tell } from "./services/process.ts";
import { proxy } from "./services/proxy.ts";
import type { Server, ServerName } from "./services/server.ts";
import { findUp, temporaryFolder } from "./services/shared.ts";

export interface RunningService {
  readonly name: ServerName;
  /** Why it cannot be had here. */
  readonly unavailable?: string;
  /** Its address, under the name of its environment variable. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Cuts all connections that were made by these settings. */
  readonly disrupt?: () => Promise<void>;
  stop(): Promise<void>;
}

export interface PrivateService extends RunningService {
  readonly port: number;
  /** Kill -9: it is down until `restart`. */
  kill(): Promise<void>;
  /** Kill -9 if it runs, then the same server again: same port, same data. Resolves when it serves. */
  restart(): Promise<void>;
  /** It stands still: connections stay, and nothing is answered until `thaw`. */
  freeze(): void;
  thaw(): void;
}

const nothing = async () => {};
const unavailable = (name: ServerName, why: string): PrivateService => ({
  name,
  unavailable: why,
  port: 0,
  stop: nothing,
  kill: nothing,
  restart: nothing,
  freeze() {},
  thaw() {},
});

/** What the environment said before we put our own addresses there. */
const environment = new Map<string, string | undefined>();

function givenBy(variable: string): string | undefined {
  if (!environment.has(variable)) environment.set(variable, process.env[variable] || undefined);
  return environment.get(variable);
}

function restore(variable: string, ours: string): void {
  if (process.env[variable] !== ours) return;
  const before = environment.get(variable);
  if (before === undefined) delete process.env[variable];
  else process.env[variable] = before;
}

/**
 * A server for the tests of this process. The environment holds its settings until `stop`, for create modules and child processes.
 * A proxy stands in front, so that `disrupt` cuts nobody else's connections; with `direct` there is neither.
 */
export async function serviceFor(name: ServerName, { direct = false } = {}): Promise<RunningService> {
  const server = servers[name];
  const found = await locate(server);
  const theirs = found.settings?.[server.variable];
  if (theirs === undefined) return found;
  const between = direct || server.advertises ? undefined : await proxy(theirs);
  const settings = { ...found.settings, [server.variable]: between?.address ?? theirs };
  for (const variable of Object.keys(settings)) givenBy(variable);
  Object.assign(process.env, settings);
  return {
    name,
    settings,
    ...(between ? { disrupt: between.cut } : {}),
    async stop() {
      await between?.close();
      await found.stop();
      for (const [variable, value] of Object.entries(settings)) restore(variable, value);
    },
  };
}

async function locate(server: Server): Promise<RunningService> {
  const { name, variable } = server;
  const address = givenBy(variable);
  if (address) {
    const reason = await refusal(server, address);
    if (reason) return unavailable(name, `${variable} (${masked(address)}) does not answer: ${reason}`);
    return { name, settings: { [variable]: address }, stop: nothing };
  }
  const up = findUp(server);
  if (up && (await refusal(server, up.address)) === "")
    return { name, settings: settingsOf(server, up.ports), stop: nothing };
  return startPrivate(name);
}

/** A server of this process alone, which ends with it; never installed. `durable`: what was acknowledged survives `restart`. */
export async function startPrivate(
  name: ServerName,
  { durable = false, port }: { durable?: boolean; port?: number } = {},
): Promise<PrivateService> {
  const server = servers[name];
  const missing = process.platform === "win32" ? "private ones need a POSIX system" : server.missing();
  if (missing) return unavailable(name, `${missing}: set ${server.variable}, or run "npm run services -- up ${name}"`);
  const [first = 0, ...others] = await freePorts(server.portCount);
  const ports = [port ?? first, ...others];
  const folder = temporaryFolder(server);
  const pidFile = pidFileOf(folder);
  const begin = () => start({ server, place: { folder: join(folder, "data"), ports, durable }, folder, bound: true });
  let frozen: readonly number[] = [];
  const freeze = () => {
    frozen = familyOf(pidFile);
    for (const pid of frozen) tell(pid, "SIGSTOP");
  };
  const thaw = () => {
    for (const pid of frozen) tell(pid, "SIGCONT");
    frozen = [];
  };
  const kill = async () => {
    thaw(); // what is stopped does not notice that its parent is gone
    if (await stop(pidFile, "SIGKILL")) await refuses(ports[0] ?? 0);
  };
  const atExit = () => {
    thaw();
    killNow(pidFile);
  };
  const end = async () => {
    process.removeListener("exit", atExit);
    await kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await begin();
  } catch (error) {
    await end();
    return unavailable(name, (error as Error).message);
  }
  process.once("exit", atExit);
  const restart = async () => {
    await kill();
    await withRetries(begin);
  };
  return { name, port: ports[0] ?? 0, settings: settingsOf(server, ports), stop: end, kill, restart, freeze, thaw };
}

/** What is left of the killed one may hold its port or its files for a moment. */
async function withRetries(begin: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await begin();
    } catch (error) {
      if (tries === 20) throw error;
      await sleep(250);
    }
  }
}
