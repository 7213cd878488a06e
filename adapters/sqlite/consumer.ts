/** One consumer of a SQLite queue: what has ended goes with the next fetch, in one transaction. */
import type { ConsumeOptions, Consumer, Handler } from "../../src/contract/index.ts";
import { type ExchangeAnswer, poll, type SettledDelivery } from "../shared/poll.ts";
import type { SqliteFile } from "./file.ts";
import type { QueueOperations } from "./queue-operations.ts";
import type { SqliteDelivery } from "./rows.ts";
import { batchSize } from "./writer.ts";

/** The poll behind the notices. */
const idleMs = 500;

export interface ConsumerContext {
  readonly file: SqliteFile;
  readonly ops: QueueOperations;
  readonly topic: string;
  readonly leaseMs: number;
}

export function createConsumer(
  { file, ops, topic, leaseMs }: ConsumerContext,
  handler: Handler,
  options: ConsumeOptions,
  onClose: () => void,
): Consumer {
  let owner: number | undefined;
  const exchange = async (
    settled: readonly SettledDelivery<SqliteDelivery>[],
    take: number,
  ): Promise<ExchangeAnswer<SqliteDelivery>> => {
    if (settled.length === 0 && !(await file.read(ops.hasWork))) {
      return { deliveries: [], nextDueMs: await file.read(() => (ops.isPaused() ? undefined : ops.nextDueMs())) };
    }
    const done = await file.write(() => exchangeRows(ops, settled, take, owner, leaseMs), settled.length + take);
    if (take > 0) owner = done.owner;
    if (done.again) file.announce(topic);
    return done;
  };
  const poller = poll({ exchange, batchSize, idleMs }, handler, options);
  const deaf = file.listen(topic, poller.wake);
  return {
    ...poller,
    async renew() {
      const mine = owner;
      if (mine === undefined || poller.status().held.length === 0) return;
      if (!(await file.write(() => ops.renew(mine, leaseMs)))) poller.abort(({ native }) => native.owner === mine);
    },
    async close(how) {
      await poller.close(how);
      deaf();
      onClose();
      if (owner !== undefined && poller.status().held.length === 0)
        await file.write(() => ops.removeOwner(owner as number)).catch(options.onError);
      owner = undefined;
    },
  };
}

/** Settlements first, so that what they free is taken in the same transaction. */
function exchangeRows(
  ops: QueueOperations,
  settled: readonly SettledDelivery<SqliteDelivery>[],
  take: number,
  owner: number | undefined,
  leaseMs: number,
) {
  const owners = new Set(settled.map(({ delivery }) => delivery.native.owner));
  const alive = new Set([...owners].filter(ops.isAlive));
  for (const each of alive) {
    const ended = settled.filter(({ delivery }) => delivery.native.owner === each);
    ops.settle(each, ended);
  }
  const again = settled.some(({ settlement }) => settlement.outcome !== "done" && settlement.outcome !== "failed");
  const stale = settled.map(({ delivery }) => !alive.has(delivery.native.owner));
  if (take === 0 || ops.isPaused()) return { owner, stale, again, deliveries: [] };
  const mine = ops.lease(owner, leaseMs);
  const claimed = ops.claim(mine, take);
  return { owner: mine, stale, again, ...claimed, nextDueMs: claimed.more ? undefined : ops.nextDueMs() };
}
