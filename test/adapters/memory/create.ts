/** How the conformance kit makes a memory broker. */
import { memory } from "../../../adapters/memory/broker.ts";
import type { Broker } from "../../../src/contract/index.ts";

export function create(): Broker {
  return memory();
}
