/** RabbitMQ, with an epmd (Erlang's name server) of its own: the usual one would listen on all interfaces, and outlive it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { apt, aptObstacle } from "./install.ts";
import { exchange } from "./probe.ts";
import { ask, which } from "./process.ts";
import type { Server } from "./server.ts";

/** Debian's wrapper in PATH changes the user and hides the output: the program behind it does not. */
const inner = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const program = () => (existsSync(inner) ? inner : which("rabbitmq-server"));

export const rabbitmq: Server = {
  name: "rabbitmq",
  variable: "RABBITMQ_URL",
  portCount: 3,
  skipped: "RabbitMQ",
  missing: () => (program() && which("epmd") ? undefined : "rabbitmq-server is not installed"),
  obstacle: aptObstacle,
  install: () => apt("rabbitmq-server"),
  version: () => /_server-([\d.]+)/.exec(ask("ls", "/usr/lib/rabbitmq/lib"))?.[1] ?? "?",
  address: (port) => `amqp://guest:guest@127.0.0.1:${port}`,
  async prepare({ folder, ports: [port, distribution, names] }) {
    const start = `epmd -address 127.0.0.1 -port ${names} & exec "$0"`;
    return {
      file: "sh",
      args: ["-c", start, program() ?? "rabbitmq-server"],
      cwd: folder,
      env: {
        HOME: folder, // its cookie
        ERL_EPMD_ADDRESS: "127.0.0.1",
        ERL_EPMD_PORT: String(names),
        RABBITMQ_NODENAME: "funboost@localhost",
        RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
        RABBITMQ_NODE_PORT: String(port),
        RABBITMQ_DIST_PORT: String(distribution),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
        RABBITMQ_CONF_ENV_FILE: join(folder, "none.conf"), // not the machine's
        RABBITMQ_CONFIG_FILE: join(folder, "none"),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
        RABBITMQ_MNESIA_BASE: join(folder, "data"),
        RABBITMQ_LOG_BASE: join(folder, "logs"),
        RABBITMQ_LOGS: "-",
      },
    };
  },
  async check(address) {
    const answer = await exchange(address, 5672, Buffer.from("AMQP\0\0\u0009\u0001", "latin1"));
    if (answer[0] !== 1) throw new Error("what answers does not speak AMQP 0-9-1"); // 1: a method frame, connection.start
  },
};
