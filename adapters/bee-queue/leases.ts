/** The leases of what a Bee-Queue consumer holds, and the jobs of workers that died. */
import { repeat } from "../../src/base/clock.ts";
import type { PollConsumer } from "../shared/poll.ts";
import type { BeeDelivery } from "./delivery.ts";
import type { ConsumerState } from "./exchange.ts";
import { withScripts } from "./open-queue.ts";
import { scripts } from "./scripts.ts";

const batchSize = 500;
/** Bee-Queue's own workers look for stalled jobs every 5 s unless told otherwise. */
const renewMs = 2_000;

/** Says what is alive, and looks for what is not, by Bee-Queue's own check. */
export function keepLeases(
  { queue, tokens, report }: ConsumerState,
  consumer: PollConsumer<BeeDelivery>,
): () => Promise<unknown> {
  const { clients, base, stallMs, bee } = queue;
  async function renewSome(some: readonly (readonly [id: string, token: string])[]): Promise<void> {
    const lost = (await clients.run(scripts.renew, base, [
      ...some.map(([id]) => id),
      ...some.map(([, token]) => token),
    ])) as number[];
    const gone = new Set(lost.map((n) => some[n - 1]?.join()));
    if (gone.size > 0) consumer.abort(({ id, token }) => gone.has([id, token].join()));
  }
  async function renew(): Promise<void> {
    const all = [...tokens];
    for (let i = 0; i < all.length; i += batchSize) await renewSome(all.slice(i, i + batchSize));
  }
  async function check(): Promise<void> {
    await withScripts(queue, () => bee.checkStalledJobs());
    await clients.run(scripts.sweep, base, []); // those of others too find what is stalled
  }
  const started = check().catch(report);
  const stops = [repeat(Math.min(stallMs / 4, renewMs), renew, report), repeat(stallMs / 4, check, report)];
  return () => Promise.all([started, ...stops.map((stop) => stop())]);
}
