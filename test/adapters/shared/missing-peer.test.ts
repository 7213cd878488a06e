/** What is said when a client, or a part of it, is not there. */
import { expect, it } from "vitest";
import { missingPeer } from "../../../adapters/shared/missing-peer.ts";

const notFound = (message: string) => Object.assign(new Error(message), { code: "MODULE_NOT_FOUND" });
const said = (peer: string, message: string) => String(missingPeer("here", peer, notFound(message)));

it("names the client where it is not installed", () => {
  const advice = 'needs the package "no-such". Run: npm install no-such';
  expect(said("no-such", "Cannot find package 'no-such' imported from /app/x.js")).toContain(advice);
  expect(said("no-such", "not found, in words of another runtime")).toContain(advice);
});

it("names what an installed client lacks", () => {
  expect(said("mine", "Cannot find module 'pg'\nRequire stack:\n- /app/node_modules/mine/index.js")).toContain(
    '"mine" is installed, but not "pg", which it needs. Run: npm install pg',
  );
});

it("names the native part for this platform, which another platform's node_modules lacks", () => {
  const native = `@mine/${process.platform}-${process.arch}-gnu`;
  expect(said("mine", `Cannot find module '${native}'\nRequire stack:\n- x`)).toContain(
    `"mine" is installed, but not "${native}", its native part for this platform.`,
  );
});

it("leaves alone what is installed and broken", () => {
  const broken = notFound("Cannot find module '/app/node_modules/mine/dist/index.js' imported from /app/x.js");
  expect(missingPeer("here", "mine", broken)).toBe(broken);
  const other = new Error("boom");
  expect(missingPeer("here", "mine", other)).toBe(other);
});
