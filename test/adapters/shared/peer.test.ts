/** Clients of engines: their versions, and where a bundler leaves their exports. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { installedVersion, type Peer, refuseUnknown, testedPeers, usePeer } from "../../../adapters/shared/peer.ts";
import { checkRedisSource } from "../../../adapters/shared/redis-source.ts";
import { root } from "../../support/installed.ts";

const peers = Object.keys(testedPeers) as Peer[];
const refused = (peer: Peer, version: string) => () => refuseUnknown("here", peer, version);

describe("the version of a client", () => {
  it("is found for each, and is one that is tested", () => {
    for (const peer of peers) {
      const { version } = JSON.parse(readFileSync(`${root}node_modules/${peer}/package.json`, "utf8"));
      expect(installedVersion(peer)).toBe(version);
      expect(() => refuseUnknown("here", peer, version)).not.toThrow();
    }
  });
  it("that is not known is refused: what was found, what is tested, what to do", () => {
    expect(refused("bullmq", "5.58.9")).toThrow(
      expect.objectContaining({
        code: "BROKER_REFUSED",
        message:
          "[funboost] [here] found bullmq 5.58.9, which this adapter does not know. " +
          "Tested: ^5.73.5 and ^6.4.0. Run: npm install bullmq@^5.73.5", // of its own major, where one is tested
      }),
    );
    for (const version of ["4.18.2", "6.3.16", "7.0.0"])
      expect(refused("bullmq", version)).toThrow(/Run: npm install bullmq@\^6\.4\.0/);
    for (const version of ["5.73.5", "5.81.5", "6.4.0", "6.7.0"]) expect(refused("bullmq", version)).not.toThrow();
    expect(refused("ioredis", "4.31.0")).toThrow(/Tested: \^5\.\d+\.\d+ and \^6\.0\.0\. Run: npm install ioredis@\^6/);
    for (const version of ["6.2.5", "6.1.9", "5.0.0", "7.0.0", "16.2.6"]) expect(refused("agenda", version)).toThrow();
  });
  it("may be newer than what is tested, within its major", () => {
    for (const version of ["6.2.6", "6.2.10", "6.3.0", "6.10.0-rc.1"]) expect(refused("agenda", version)).not.toThrow();
  });
  it("of a major that is not out yet cannot be installed: it could break us", () => {
    const { peerDependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
    for (const peer of peers) {
      const newest = Number.parseInt(testedPeers[peer].at(-1) ?? "", 10);
      expect([peer, peerDependencies[peer]]).toEqual([peer, `<${newest + 1}`]);
    }
    expect(peerDependencies["@temporalio/workflow"]).toBe(peerDependencies["@temporalio/client"]);
  });
  it("is not asked in a bundle, where another may lie beside it", () => {
    expect(installedVersion("bullmq", pathToFileURL(`${root}dist/bundle.mjs`).href)).toBeUndefined();
    expect(() => refuseUnknown("here", "bullmq", undefined)).not.toThrow();
  });
});

it("exports are found where a bundler leaves `default` alone", () => {
  const names = { Queue: class {} };
  expect(usePeer("here", "bullmq", names, "Queue")).toBe(names);
  expect(usePeer("here", "bullmq", { default: names } as never, "Queue" as never)).toBe(names);
});

it("a client of another package, or of an ioredis that is not known, is no connection", () => {
  const old = { duplicate() {}, disconnect() {}, options: {} };
  expect(() => checkRedisSource("here", { connection: old as never })).toThrow(/ioredis before 5/);
  expect(checkRedisSource("here", { connection: { ...old, isCluster: false } as never })).toBe("127.0.0.1:6379");
});
