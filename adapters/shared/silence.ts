/**
 * A connection that dies without a word, because packets are dropped and neither side is told, is known by its silence
 * alone: TCP notices it after minutes, where it notices it at all.
 */
import type { Socket } from "node:net";
import { clock, withJitter } from "../../src/base/clock.ts";

const lookMs = 1_000;
/** Silent looks after which the server is asked for a sign of life. */
const askAfter = 2;
/** In seconds. A server that stands still for a few of them is not to lose its clients. */
export const patience = { connecting: 3, ready: 5 } as const;

export interface WatchedClient {
  /** Asks for what a server answers at once, where it can be asked now. */
  ping(): void;
  /** For how many seconds the server may be silent now. */
  patience(): number;
}

/**
 * Destroys the connection when its server is silent for too long: its client makes another. Looks are counted, not
 * time: a process that stood still finds the answer before it looks again. Each connection looks at a pace of its own,
 * so that not all of them come back at once.
 */
export function giveUpWhenSilent(stream: Socket, client: WatchedClient): void {
  const paceMs = withJitter(lookMs);
  let heard = stream.bytesRead;
  let unsent = 0;
  let silent = 0;
  const look = () => {
    const left = unsentBytes(stream);
    silent = stream.bytesRead === heard && left >= unsent ? silent + 1 : 0;
    heard = stream.bytesRead;
    unsent = left;
    if (silent > client.patience()) return void stream.destroy(silenceError(silent * paceMs));
    if (silent === askAfter) client.ping();
    cancel = clock.after(paceMs, look, { unref: true });
  };
  let cancel = clock.after(paceMs, look, { unref: true });
  stream.once("close", () => cancel());
}

/** What the system has not taken yet. While it grows less, a large message is on its way over a slow line. */
function unsentBytes(stream: Socket): number {
  const { _handle } = stream as unknown as { _handle?: { readonly writeQueueSize?: number } | null };
  return _handle?.writeQueueSize ?? 0;
}

function silenceError(ms: number): Error {
  const error = new Error(`the connection timed out: the server said nothing for ${(ms / 1_000).toFixed(1)} s`);
  return Object.assign(error, { code: "ETIMEDOUT" });
}
