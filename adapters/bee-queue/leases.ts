/** The leases of what a Bee-Queue consumer holds, and the jobs of workers that died. */
import { repeat } from "../../src/base/clock.ts";
import type { PollConsumer } from "../shared/poll.ts";
import type { BeeDelivery } from "./delivery.ts";
import type { ConsumerState } from "./exchange.ts";
import { scripts } from "./scripts.ts";

const batchSize = 500;
/** A look is renewed every quarter of a stall; less than a stall without the longest time between two renewals. */
const lookPart = 0.65;
/** Bee-Queue's own workers look for stalled jobs every 5 s unless told otherwise. */
const renewMs = 2_000;

/** Says what is alive, and looks for what is not, as Bee-Queue's own workers do. */
export function keepLeases(
  { queue, tokens, report }: ConsumerState,
  consumer: PollConsumer<BeeDelivery>,
): () => Promise<unknown> {
  const { clients, base, stallMs } = queue;
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
  const rescue = async () => void (await clients.run(scripts.rescue, base, [stallMs, Math.ceil(lookPart * stallMs)]));
  const started = rescue().catch(report);
  const stops = [repeat(Math.min(stallMs / 4, renewMs), renew, report), repeat(stallMs / 4, rescue, report)];
  return () => Promise.all([started, ...stops.map((stop) => stop())]);
}
