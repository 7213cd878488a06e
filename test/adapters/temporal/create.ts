/** Makes the broker under test, in this process and in the children that the kit kills. */

import { sqliteStore } from "../../../adapters/sqlite/store.ts";
import { type TemporalOptions, temporal } from "../../../adapters/temporal/broker.ts";
import type { Broker } from "../../../src/contract/index.ts";
import { withStore } from "../../support/with-store.ts";

export function create(settings: Readonly<Record<string, string>> = {}): Broker {
  const address = settings.TEMPORAL_ADDRESS ?? process.env.TEMPORAL_ADDRESS;
  if (!address)
    throw new Error("TEMPORAL_ADDRESS is not set: the Temporal tests need a server, for example 127.0.0.1:7233");
  const { TEMPORAL_MODE: mode } = settings;
  const broker = temporal({
    address,
    ...(mode === undefined ? {} : { mode: mode as NonNullable<TemporalOptions["mode"]> }),
  });
  return settings.storeFile ? withStore(broker, sqliteStore({ file: settings.storeFile })) : broker;
}

export const warm = (): Promise<unknown> => Promise.all([import("@temporalio/client"), import("@temporalio/worker")]);
