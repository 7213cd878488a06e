/** MongoDB's protocol by mongo-java-server: a stand-in for tests. A real MongoDB is used where MONGODB_URL names it. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildWithJava, cached, javaObstacle, mavenJars, run } from "./install.ts";
import { within } from "./probe.ts";
import { which } from "./process.ts";
import type { Server } from "./server.ts";

const version = "1.47.0";
const name = `mongodb-stand-in-${version}`;

/** A version that current drivers accept. With a file, each command is on it before it is answered. */
const main = `import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.net.InetSocketAddress;
import java.util.List;

public class Main {
  public static void main(String[] args) {
    H2Backend backend = args.length < 2 ? H2Backend.inMemory() : new H2Backend(args[1]) {
      @Override public Document handleMessage(MongoMessage message) {
        Document answer = super.handleMessage(message);
        commit();
        return answer;
      }
    };
    backend.version(new MongoVersion() {
      public List<Integer> getVersionArray() { return List.of(5, 0, 0, 0); }
      public int getWireVersion() { return 13; }
      public String toVersionString() { return "5.0.0"; }
    });
    new MongoServer(backend).bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])));
  }
}
`;

async function build(folder: string): Promise<void> {
  const artifact = (id: string) => `de.bwaldvogel:mongo-java-server-${id}:${version}`;
  await mavenJars(folder, [artifact("h2-backend"), artifact("memory-backend"), "org.slf4j:slf4j-nop:2.0.13"]);
  writeFileSync(join(folder, "Main.java"), main);
  await run({ file: "javac", args: ["-cp", "libs/*", "Main.java"], cwd: folder });
}

export const mongodb: Server = {
  name: "mongodb",
  variable: "MONGODB_URL",
  portCount: 1,
  skipped: "Agenda on MongoDB",
  missing() {
    if (!existsSync(cached(name))) return `its stand-in, mongo-java-server ${version}, is not in the cache`;
    return which("java") ? undefined : "java is not installed";
  },
  obstacle: javaObstacle,
  install: () => buildWithJava(name, build),
  version: () => `5.0.0 (stand-in ${version})`,
  address: (port) => `mongodb://127.0.0.1:${port}`,
  async prepare({ folder, ports, durable }) {
    const classes = `${cached(name)}:${join(cached(name), "libs/*")}`;
    return {
      file: "java",
      args: ["-Xmx256m", "-cp", classes, "Main", String(ports[0]), ...(durable ? [join(folder, "data.mv")] : [])],
      cwd: folder,
    };
  },
  async check(address) {
    const { MongoClient } = await import("mongodb");
    const client = new MongoClient(address, { serverSelectionTimeoutMS: 2_500, connectTimeoutMS: 2_500 });
    try {
      await within(client.db("admin").command({ ping: 1 }));
    } finally {
      await client.close();
    }
  },
};
