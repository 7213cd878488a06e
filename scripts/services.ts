/** `npm run services -- up|down|status|env [names]`: the servers that tests and benchmarks use, on loopback. */
import { parseArgs } from "node:util";
import { masked, servers, settingsOfUp } from "../test/support/services/all.ts";
import { refusal } from "../test/support/services/instance.ts";
import { type Server, type ServerName, serverNames } from "../test/support/services/server.ts";
import { bringUp, findUp, takeDown } from "../test/support/services/shared.ts";

const help = `npm run services -- COMMAND [NAMES]
  up       starts what is not there yet; installs it where that is possible
  status   what is given by the environment, up, down, or cannot be had
  env      export lines for what is up: eval "$(npm run --silent services -- env)"
  down     stops what "up" started; its data stays
NAMES: ${serverNames.join(", ")}; without any: all`;

interface Row {
  readonly name: ServerName;
  readonly state: string;
  readonly address?: string;
  readonly pid?: number;
  readonly version?: string;
  readonly seconds?: number;
  /** It cannot be used. */
  readonly failed?: true;
}

const say = (text: string) => void process.stderr.write(`${text}\n`);

/** The one that the environment names. */
async function given(server: Server): Promise<Row | undefined> {
  const address = process.env[server.variable];
  if (!address) return undefined;
  const reason = await refusal(server, address);
  const { name, variable } = server;
  return {
    name,
    address: masked(address),
    ...(reason ? { state: `given by ${variable}, does not answer: ${reason}`, failed: true } : { state: "given" }),
  };
}

async function running(server: Server): Promise<Row | undefined> {
  const up = findUp(server);
  if (!up) return undefined;
  const reason = await refusal(server, up.address);
  const { address, pid, version } = up;
  return {
    name: server.name,
    address,
    pid,
    version,
    ...(reason ? { state: `up, does not answer: ${reason}`, failed: true } : { state: "up" }),
  };
}

/** Why it can be neither started nor installed here. */
function hopeless(server: Server): string | undefined {
  const missing = process.platform === "win32" ? "needs a POSIX system" : server.missing();
  const obstacle = missing && server.obstacle();
  return obstacle ? `cannot be had: ${missing}; ${obstacle}` : undefined;
}

async function status(server: Server): Promise<Row> {
  const { name } = server;
  const known = (await given(server)) ?? (await running(server));
  if (known) return known;
  const state = hopeless(server) ?? (server.missing() ? `down; "up" will install it` : "down");
  return { name, state, ...(server.missing() ? {} : { version: server.version() }) };
}

async function up(server: Server): Promise<Row> {
  const { name, variable, skipped } = server;
  const named = await given(server);
  if (named) return named;
  const without = `Set ${variable}. Without it, skipped: ${skipped}`;
  const reason = hopeless(server);
  if (reason) return { name, state: `${reason}. ${without}`, failed: true };
  try {
    const missing = server.missing();
    if (missing) say(`${name}: ${missing}: installing it`);
    if (missing) await server.install((text) => say(`${name}: ${text}`));
    const { address, pid, version } = await bringUp(server);
    return { name, state: "up", address, pid, version };
  } catch (error) {
    say(`${name}: ${(error as Error).message}`);
    return { name, state: `cannot be had: see above. ${without}`, failed: true };
  }
}

async function down(server: Server): Promise<Row> {
  return { name: server.name, state: (await takeDown(server)) ? "stopped" : "was not up" };
}

async function timed(server: Server, act: (server: Server) => Promise<Row>): Promise<Row> {
  const started = performance.now();
  const row = await act(server);
  return row.failed ? row : { ...row, seconds: (performance.now() - started) / 1000 };
}

function print(rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    row.name,
    row.state,
    row.address ?? "",
    String(row.pid ?? ""),
    row.version ?? "",
    row.seconds?.toFixed(1) ?? "",
  ]);
  const table = [
    ["name", "state", "address", "pid", "version", rows.some(({ seconds }) => seconds !== undefined) ? "seconds" : ""],
    ...cells,
  ];
  // A long reason must not push all columns away.
  const widths = [0, 1, 2, 3, 4].map((i) =>
    Math.max(...table.map((line) => (line[i] ?? "").length).filter((length) => length <= 45)),
  );
  for (const line of table)
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

const commands: Readonly<Record<string, (wanted: readonly Server[]) => Promise<boolean>>> = {
  up: (wanted) => table(wanted, (server) => timed(server, up)),
  down: (wanted) => table(wanted, (server) => timed(server, down)),
  status: async (wanted) => {
    await table(wanted, status);
    return true; // what it found is no failure of its own
  },
  env: async (wanted) => {
    for (const [name, value] of Object.entries(settingsOfUp(wanted))) console.log(`export ${name}=${quoted(value)}`);
    return true;
  },
};

/** One after the other: two installers would stand in each other's way. Answers whether all can be used. */
async function table(wanted: readonly Server[], act: (server: Server) => Promise<Row>): Promise<boolean> {
  const rows: Row[] = [];
  for (const server of wanted) rows.push(await act(server));
  print(rows);
  return rows.every(({ failed }) => !failed);
}

function chosen(names: readonly string[]): Server[] {
  const unknown = names.filter((name) => !(serverNames as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new Error(`there is no server "${unknown.join('", "')}". Allowed: ${serverNames.join(", ")}.`);
  return serverNames.filter((name) => names.length === 0 || names.includes(name)).map((name) => servers[name]);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: "boolean", short: "h" } },
  });
  if (values.help) return void console.log(help);
  const [name = "", ...names] = positionals;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command)
    throw new Error(
      `${name ? `there is no command "${name}"` : "say what to do"}. Allowed: ${Object.keys(commands).join(", ")}.\n${help}`,
    );
  if (!(await command(chosen(names)))) process.exitCode = 1;
}

main().catch((error: Error) => {
  say(error.message);
  process.exitCode = 1;
});
