/** An address that is wrong or stands in the wrong place: what is thrown shows no part of its password. */
import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { agenda } from "../../adapters/agenda/broker.ts";
import { beeQueue } from "../../adapters/bee-queue/broker.ts";
import { bullmq } from "../../adapters/bullmq/broker.ts";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { temporal } from "../../adapters/temporal/broker.ts";
import { type BrokerName, boost, configure, shutdown, type TaskParams } from "../../src/index.ts";

configure({ signals: false, log: "silent" });
afterAll(() => shutdown());

/** Nobody listens there. */
const host = "127.0.0.1:1";
const odd = "sec/r#t";
const encoded = encodeURIComponent(odd);
const addresses = ["redis://", "postgres://", "mongodb://", ""].flatMap((scheme) => [
  `${scheme}me:${odd}@${host}`,
  `${scheme}me:${encoded}@${host}/db`,
]);

const places: Readonly<Record<string, (address: string) => TaskParams["broker"]>> = {
  "broker, by name": (address) => address as BrokerName,
  "bullmq({ url })": (url) => bullmq({ url }),
  "bullmq({ connection: { host } })": (address) => bullmq({ connection: { host: address } }),
  "beeQueue({ url })": (url) => beeQueue({ url }),
  "agenda({ url })": (url) => agenda({ url }),
  "temporal({ url })": (url) => temporal({ url }),
  "sqlite({ file })": (file) => sqlite({ file }),
  "sqlite({ url })": (url) => sqlite({ url }),
};

async function refusal(act: () => unknown): Promise<unknown> {
  try {
    return expect.unreachable(`it was taken: ${inspect(await act())}`);
  } catch (error) {
    return error;
  }
}

function expectNoPassword(error: unknown): void {
  const shown = `${inspect(error, { depth: 9, showHidden: true })}${(error as Error).stack}${JSON.stringify(error)}`;
  expect(shown).not.toMatch(/sec\/|r#t|sec%2F|%23t/);
  expect(shown).toMatch(/BAD_OPTION|BROKER_REFUSED|PUBLISH_FAILED/);
}

// First: configure() comes before any use.
it.each(addresses)("configure() with %s", async (address) => {
  for (const options of [{ store: address }, { brokers: address }, { brokers: { bullmq: address } }, { log: address }])
    expectNoPassword(await refusal(() => configure(options as never)));
});

describe.concurrent.each(Object.entries(places))("%s", (place, brokerAt) => {
  const isFile = place.startsWith("sqlite"); // without a scheme it is a path like others
  it.each(addresses.filter((address) => !isFile || address.includes("://")))("%s", async (address) => {
    const push = () =>
      boost({ queue: "secrets", broker: brokerAt(address), publishTimeout: "2s" } as TaskParams, () => 1).push();
    expectNoPassword(await refusal(push));
  });
});
