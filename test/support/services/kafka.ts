/** Kafka: one node that is its own controller, from the jars of Maven Central. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildWithJava, cached, javaObstacle, mavenJars, run } from "./install.ts";
import { exchange } from "./probe.ts";
import { which } from "./process.ts";
import type { Server } from "./server.ts";

const version = "4.1.0";
const cache = () => cached(`kafka-${version}`);
const artifacts = [`org.apache.kafka:kafka_2.13:${version}`, "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"];
const java = (...args: string[]) => ({ file: "java", args: ["-cp", join(cache(), "libs/*"), ...args] });

function properties(folder: string, port: number | undefined, controller: number | undefined): string {
  const lines = [
    "process.roles=broker,controller",
    "node.id=1",
    `controller.quorum.voters=1@127.0.0.1:${controller}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names=CONTROLLER",
    `log.dirs=${join(folder, "data")}`,
    ...["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"].map(
      (topic) => `${topic}.replication.factor=1`,
    ),
    "transaction.state.log.min.isr=1",
    "share.coordinator.state.topic.min.isr=1",
    "offsets.topic.num.partitions=5", // fifty files for nothing else
    "group.initial.rebalance.delay.ms=0",
  ];
  return `${lines.join("\n")}\n`;
}

export const kafka: Server = {
  name: "kafka",
  variable: "KAFKA_BROKERS",
  portCount: 2,
  skipped: "Kafka",
  advertises: true,
  missing() {
    if (!existsSync(cache())) return `Kafka ${version} is not in the cache`;
    return which("java") ? undefined : "java is not installed";
  },
  obstacle: javaObstacle,
  install: () => buildWithJava(`kafka-${version}`, (keep) => mavenJars(keep, artifacts)),
  version: () => version,
  address: (port) => `127.0.0.1:${port}`,
  async prepare({ folder, ports }) {
    const file = join(folder, "server.properties");
    writeFileSync(file, properties(folder, ports[0], ports[1]));
    if (!existsSync(join(folder, "data/meta.properties"))) {
      const cluster = Buffer.from("funboost-servers").toString("base64url"); // any sixteen bytes
      await run(java("kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", file));
    }
    return java("-Xmx512m", "kafka.Kafka", file);
  },
  async check(address) {
    // Size, ApiVersions, version 0, correlation id, no client id.
    const answer = await exchange(address, 9092, Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255]));
    if (answer.length < 8 || answer.readInt32BE(4) !== 1) throw new Error("what answers is not Kafka");
  },
};
