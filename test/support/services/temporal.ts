/** Temporal's dev server, built from its Go modules. In memory; in a file where a restart is tested. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import { cached, fillCache, run } from "./install.ts";
import { limitMs } from "./probe.ts";
import { ask, which } from "./process.ts";
import type { Server } from "./server.ts";

const cli = "1.8.2";
const server = "1.31.2";
const name = `temporal-${server}`;
const goModule = `module temporal

go 1.26.4

require github.com/temporalio/cli v${cli}

// The CLI's own go.mod names a folder here, which the module proxy does not have.
replace github.com/temporalio/cli/cliext => github.com/temporalio/cli/cliext v0.0.0-20260731000218-c579925f193f
`;
const command = "github.com/temporalio/cli/cmd/temporal";
const binary = () => join(cached(name), "temporal");
const go = () => which("go", ["/usr/local/go/bin"]);

/** One partition makes order and rates exact; the limits are for users who share a server, not for tests. */
const settings = {
  "matching.numTaskqueueReadPartitions": 1,
  "matching.numTaskqueueWritePartitions": 1,
  "frontend.rps": 100_000,
  "frontend.namespaceRPS": 100_000,
  "frontend.namespaceRPS.visibility": 1_000,
  "frontend.namespaceRPS.namespaceReplicationInducingAPIs": 100,
  "frontend.namespaceCount": 10_000,
  "matching.rps": 100_000,
  "history.rps": 100_000,
};

function goVersion(): string | undefined {
  const path = go();
  return path && (/go(\d+\.\d+)/.exec(ask(path, "version"))?.[1] ?? "?");
}

async function build(keep: string, drop: string): Promise<void> {
  const module = join(drop, "module");
  const caches = { GOMODCACHE: join(drop, "modules"), GOCACHE: join(drop, "built"), GOTMPDIR: join(drop, "tmp") };
  for (const folder of [module, ...Object.values(caches)]) mkdirSync(folder);
  writeFileSync(join(module, "go.mod"), goModule);
  const env = { ...caches, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false -modcacherw -mod=mod", GOWORK: "off" };
  await run({
    file: go() ?? "go",
    args: ["build", "-ldflags", "-s -w", "-o", join(keep, "temporal"), command],
    cwd: module,
    env,
  });
}

/** gRPC's health check, without a gRPC client. */
function health(address: string): Promise<void> {
  const service = Buffer.from("temporal.api.workflowservice.v1.WorkflowService");
  const question = Buffer.concat([Buffer.from([0, 0, 0, 0, service.length + 2, 0x0a, service.length]), service]);
  const session = connect(`http://${address}`);
  session.setTimeout(limitMs, () => session.destroy(new Error(`no answer in ${limitMs / 1000} s`)));
  const asked = new Promise<void>((resolve, reject) => {
    session.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "ECONNREFUSED" ? new Error("nothing listens there") : error),
    );
    const headers = {
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    };
    const stream = session.request(headers);
    stream.once("error", reject);
    stream.once("data", (answer: Buffer) =>
      answer[5] === 8 && answer[6] === 1 ? resolve() : reject(new Error("it does not serve yet")),
    );
    stream.once("end", () => reject(new Error("what answers is not Temporal, or does not serve yet")));
    stream.end(question);
  });
  return asked.finally(() => session.destroy());
}

export const temporal: Server = {
  name: "temporal",
  variable: "TEMPORAL_ADDRESS",
  portCount: 4,
  skipped: "Temporal",
  missing: () => (existsSync(binary()) ? undefined : `Temporal ${server} is not in the cache`),
  obstacle() {
    const found = goVersion();
    const [major = 0, minor = 0] = (found ?? "").split(".").map(Number);
    return major > 1 || minor >= 26 ? undefined : `needs Go 1.26 or newer to build it (found ${found ?? "none"})`;
  },
  async install(say) {
    say(`building Temporal ${server} once: 3 minutes on two idle cores; 7 GB of disk meanwhile`);
    await fillCache(name, build);
  },
  version: () => `${server} (CLI ${cli})`,
  address: (port) => `127.0.0.1:${port}`,
  more: (ports) => ({ TEMPORAL_UI_URL: `http://127.0.0.1:${ports[1]}` }),
  async prepare({ folder, ports, durable }) {
    const names = ["--port", "--ui-port", "--http-port", "--metrics-port"];
    const file = [
      "--db-filename",
      join(folder, "temporal.db"),
      "--sqlite-pragma",
      "journal_mode=WAL",
      "--sqlite-pragma",
      "synchronous=OFF",
    ];
    const values = Object.entries(settings).flatMap(([key, value]) => ["--dynamic-config-value", `${key}=${value}`]);
    const listening = names.flatMap((name, i) => [name, String(ports[i])]);
    const args = [
      "server",
      "start-dev",
      "--ip",
      "127.0.0.1",
      "--log-level",
      "warn",
      ...listening,
      ...values,
      ...(durable ? file : []),
    ];
    return { file: binary(), args, cwd: folder };
  },
  check: health,
};
