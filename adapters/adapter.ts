/**
 * `funboost/adapter`: what an adapter of one's own needs beside the contract. docs/write-an-adapter.md says when.
 *
 * @example
 * const client = await loadClient().catch((cause) => { throw missingPeer("mine", "mine-client", cause); });
 * const consumer = poll({ batchSize: 100, idleMs: 1_000, exchange }, handler, options);
 */
export { type Clock, clock, repeat, sleep, within, withJitter } from "../src/base/clock.ts";
export {
  acceptedOf,
  describe,
  type ErrorCode,
  FunboostError,
  isFunboostError,
  PublishError,
  toError,
} from "../src/base/errors.ts";
export { bodyText, bodyValue } from "../src/base/json.ts";
export { maskSecrets } from "../src/base/mask-secrets.ts";
export { createTickBatches, type TickBatches } from "../src/base/tick-batches.ts";
export { checkNames } from "./shared/check-names.ts";
export { missingPeer } from "./shared/missing-peer.ts";
export {
  type ExchangeAnswer,
  type PollConsumer,
  type PollSource,
  poll,
  type SettledDelivery,
} from "./shared/poll.ts";
export {
  accept,
  createPublishBatches,
  type PublishBatches,
  type PublishEntry,
  refuse,
} from "./shared/publish-batches.ts";
export { publishError } from "./shared/publish-error.ts";
