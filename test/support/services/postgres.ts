/** PostgreSQL. It refuses to run as root: there it runs as the user that its package made. */
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { apt, aptObstacle, run } from "./install.ts";
import { exchange } from "./probe.ts";
import { ask, which } from "./process.ts";
import type { Command, Server } from "./server.ts";

const user = "postgres";
const isRoot = () => process.getuid?.() === 0;

/** Debian keeps its programs out of PATH, in a folder for each version. */
function program(name: string): string | undefined {
  const base = "/usr/lib/postgresql";
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  return which(
    name,
    versions.map((version) => join(base, version, "bin")),
  );
}

/** The same process, as another user. */
function unprivileged(command: Command): Command {
  if (!isRoot()) return command;
  return {
    ...command,
    file: "setpriv",
    args: [`--reuid=${user}`, `--regid=${user}`, "--init-groups", command.file, ...command.args],
  };
}

const idOf = (kind: "-u" | "-g") => Number(spawnSync("id", [kind, user], { encoding: "utf8" }).stdout);

export const postgres: Server = {
  name: "postgres",
  variable: "POSTGRES_URL",
  portCount: 1,
  skipped: "Agenda on PostgreSQL",
  stopSignal: "SIGINT", // "fast": SIGTERM would wait for its clients
  user,
  missing() {
    if (!program("postgres") || !program("initdb")) return "postgresql is not installed";
    return isRoot() && !which("setpriv")
      ? "setpriv (util-linux) is not installed, and PostgreSQL refuses to run as root"
      : undefined;
  },
  obstacle: aptObstacle,
  install: () => apt("postgresql"),
  version: () => /\) ([\d.]+)/.exec(ask(program("postgres") ?? "postgres", "--version"))?.[1] ?? "?",
  address: (port) => `postgres://postgres@127.0.0.1:${port}/postgres`,
  async prepare({ folder, ports }) {
    const data = join(folder, "data");
    if (isRoot()) chownSync(folder, idOf("-u"), idOf("-g"));
    if (!existsSync(join(data, "PG_VERSION"))) {
      // --no-sync and no fsync: what is committed is with the system, which a kill -9 of PostgreSQL cannot undo.
      const args = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
      await run(unprivileged({ file: program("initdb") ?? "initdb", args, cwd: folder }));
    }
    const settings = [
      "fsync=off",
      "max_connections=300",
      "listen_addresses=127.0.0.1",
      `unix_socket_directories=${folder}`,
    ];
    const args = ["-D", data, "-p", String(ports[0]), ...settings.flatMap((setting) => ["-c", setting])];
    return unprivileged({ file: program("postgres") ?? "postgres", args, cwd: folder });
  },
  async check(address) {
    const { username, pathname } = new URL(address);
    const text = `user\0${decodeURIComponent(username) || user}\0database\0${decodeURIComponent(pathname.slice(1)) || "postgres"}\0\0`;
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + text.length, 0);
    head.writeInt32BE(3 << 16, 4); // version 3.0 of the protocol
    const answer = await exchange(address, 5432, Buffer.concat([head, Buffer.from(text, "latin1")]));
    if (answer[0] === 0x52) return; // "R": who are you, or welcome
    const fields = answer.subarray(5).toString("utf8").split("\0");
    const field = (kind: string) => fields.find((each) => each.startsWith(kind))?.slice(1);
    if (answer[0] !== 0x45) throw new Error("what answers is not PostgreSQL");
    if (field("C") !== "28000") throw new Error(field("M") ?? "it refuses"); // 28000: it demands encryption, so it lives
  },
};
