/** Connections of ioredis over a server that does as it is told: what breaks in a moment that no real network hits at will. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { createRedisClients } from "../../../adapters/shared/redis-clients.ts";
import { setClock } from "../../../src/base/clock.ts";
import { handClock } from "../../support/hand-clock.ts";
import { proxy, type ServerProxy } from "../../support/services/proxy.ts";

const ends: (() => unknown)[] = [];
const thrown: unknown[] = [];
const note = (error: unknown) => void thrown.push(error);
process.on("unhandledRejection", note);
ends.push(() => process.off("unhandledRejection", note));
const alive = setInterval(() => {}, 1_000); // no socket of ours keeps a process alive
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  clearInterval(alive);
});

const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const subscribed = (channel: string) => `*3\r\n${bulk("subscribe")}${bulk(channel)}:1\r\n`;

/** It speaks RESP2. `onSubscribe`: what becomes of whoever subscribes. */
async function fakeRedis() {
  const sockets = new Set<Socket>();
  const state = {
    onSubscribe: "answer",
    subscriptions: 0,
    pings: 0,
    url: "",
    cut: () => sockets.forEach((each) => each.destroy()),
  };
  const answer = (socket: Socket, [name = "", channel = ""]: string[]) => {
    if (/^hello$/i.test(name)) return "-NOPROTO\r\n";
    if (/^info$/i.test(name)) return bulk("redis_version:7.0.0\r\nloading:0");
    if (/^ping$/i.test(name)) state.pings++;
    if (/^b/i.test(name)) return undefined; // it waits
    if (!/^subscribe$/i.test(name)) return "+OK\r\n";
    state.subscriptions++;
    if (state.onSubscribe === "cut") socket.destroy();
    return state.onSubscribe === "answer" ? subscribed(channel) : undefined;
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      for (const command of bytes
        .toString()
        .split(/\*\d+\r\n/)
        .slice(1)) {
        const text = answer(
          socket,
          command.split("\r\n").filter((_, i) => i % 2 === 1),
        );
        if (text) socket.write(text);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close(), state.cut);
  state.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

it("a copy whose connection breaks while ioredis subscribes again rejects nothing behind our back, and listens later", async () => {
  const server = await fakeRedis();
  const clients = createRedisClients("test", { url: server.url });
  ends.push(() => clients.close());
  const copy = (await clients.get("commands")).duplicate();
  copy.on("error", () => {});
  await copy.subscribe("a");
  server.onSubscribe = "cut";
  server.cut();
  await expect.poll(() => server.subscriptions).toBeGreaterThan(3); // each of them broke
  server.onSubscribe = "answer";
  const before = server.subscriptions;
  await expect.poll(() => server.subscriptions).toBeGreaterThan(before);
  await expect.poll(() => copy.mode).toBe("subscriber");
  server.onSubscribe = "silence";
  server.cut();
  await expect.poll(() => server.subscriptions).toBeGreaterThan(before + 1);
  await clients.close(); // while it waits for the answer
  const atClose = server.subscriptions;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(server.subscriptions).toBe(atClose);
  expect(thrown).toEqual([]);
});

it("a server that was asked to wait for something is asked for nothing else, an idle one for a sign of life", async () => {
  const server = await fakeRedis();
  const clients = createRedisClients("test", { url: server.url });
  ends.push(() => clients.close());
  const time = handClock();
  ends.push(() => setClock());
  const client = await clients.get("patient");
  await time.pass(4_000);
  await expect.poll(() => server.pings).toBe(1);
  client.bzpopmin("queue", 60).catch(() => {});
  await time.pass(10_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(server.pings).toBe(1);
  expect(client.status).toBe("ready");
});

it("a connection whose server says that it sends nothing more, and reads on, is made again", async () => {
  const server = await fakeRedis();
  const network = (await proxy(server.url)) as ServerProxy;
  ends.push(() => network.close());
  const clients = createRedisClients("test", { url: network.address });
  ends.push(() => clients.close());
  const [patient, commands] = [await clients.get("patient"), await clients.get("commands")];
  const closed = Promise.all([patient, commands].map((each) => once(each, "close")));
  network.halfClose();
  await closed;
  await patient.set("key", "value");
  await expect.poll(() => commands.status).toBe("ready");
  await commands.set("key", "value");
});
