/** What a process hears over LISTEN: one connection for all channels and all who wait. */
import { clock, queueMicrotask, within } from "../../src/base/clock.ts";
import type { Batches } from "./batches.ts";
import type { PgClient, PgNotice, PgPool } from "./connection.ts";
import type { Schema } from "./schema.ts";
import { decode } from "./text.ts";

type Listener = (text: string) => void;
type OnSwitch = (to: "poll" | "notices") => void;

/** A notice of our own comes back within this, or a pooler swallows them. */
const echoMs = 2_000;
const firstRetryMs = 100;
const mostRetryMs = 5_000;
/** Behind a pooler. */
const lookAgainMs = 60_000;

export interface Notices {
  /** Resolves when they are heard, or known not to be. */
  start(): Promise<void>;
  subscribe(channel: string, listener: Listener, onSwitch?: OnSwitch): Promise<() => void>;
  /** Whether notices come now. */
  heard(): boolean;
  close(): void;
}

export interface NoticeSources {
  open(): Promise<{ readonly pool: PgPool; readonly schema: Schema }>;
  readonly batches: Batches;
  /** No ids: any. */
  onResults(queue?: string, ids?: readonly string[]): void;
  onBack(): void;
}

export function createNotices({ open, batches, onResults, onBack }: NoticeSources): Notices {
  const channels = new Map<string, Set<Listener>>();
  const switches = createSwitches();
  const echoes = new Map<string, () => void>();
  let starting: Promise<void> | undefined;
  let listening: PgClient | undefined;
  let closed = false;

  const tell = (channel: string, text: string) => {
    for (const listener of channels.get(channel) ?? [])
      queueMicrotask(() => channels.get(channel)?.has(listener) && listener(text));
  };
  function hear(payload: string): void {
    const [kind, first, second] = decode(payload) as [string, string, unknown];
    if (kind === "n" && first === echoChannel) echoes.get(second as string)?.();
    else if (kind === "n") tell(first, second as string);
    else if (kind === "r") onResults(first, second as string[] | undefined);
    else if (kind === "l" && channels.size > 0)
      void batches.call<[string, string]>("notice", [first]).then(
        (found) => found && tell(...found),
        () => {}, // lost, as notices may be
      );
  }
  async function listen(): Promise<boolean> {
    const { pool, schema } = await open();
    const client = await pool.connect();
    client.unref();
    const onNotice = ({ channel, payload }: PgNotice) => {
      if (channel === schema.channel && payload) hear(payload);
    };
    const end = () => {
      if (listening !== client) return;
      listening = undefined;
      client.removeListener("notification", onNotice);
      client.release(true);
      if (!closed) onLost();
    };
    listening = client;
    client.on("notification", onNotice);
    client.on("error", end);
    client.on("end", end);
    try {
      await client.query(`listen "${schema.channel.replaceAll('"', '""')}"`);
      if (await isEchoed()) return true;
    } catch (error) {
      listening = undefined;
      client.release(true);
      throw error;
    }
    listening = undefined;
    client.removeListener("notification", onNotice);
    client.release(true);
    return false;
  }
  async function isEchoed(): Promise<boolean> {
    const token = Math.random().toString(36).slice(2);
    try {
      const back = new Promise<void>((resolve) => void echoes.set(token, resolve));
      await batches.call("notify", [echoChannel, token]);
      return await within(back, echoMs, { unref: true });
    } finally {
      echoes.delete(token);
    }
  }
  function onLost(): void {
    switches.tell("poll");
    retry(firstRetryMs);
  }
  function retry(ms: number): void {
    clock.after(ms, () => void comeBack(ms), { unref: true });
  }
  async function comeBack(ms: number): Promise<void> {
    if (closed) return;
    const isHeard = await listen().catch(() => undefined);
    if (isHeard === undefined) return retry(Math.min(ms * 2, mostRetryMs));
    if (!isHeard) return retry(lookAgainMs);
    if (closed) return close();
    switches.tell("notices");
    onBack();
  }
  async function begin(): Promise<void> {
    if (await listen()) return;
    switches.tell("poll");
    retry(lookAgainMs);
  }
  const start = () =>
    (starting ??= begin().catch((error: unknown) => {
      starting = undefined;
      throw error;
    }));
  function close(): void {
    closed = true;
    const client = listening;
    listening = undefined;
    client?.release(true);
    channels.clear();
  }
  return {
    start,
    heard: () => listening !== undefined,
    close,
    async subscribe(channel, given, onSwitch) {
      const listener: Listener = (text) => given(text); // the same function may subscribe twice
      channels.set(channel, (channels.get(channel) ?? new Set()).add(listener));
      const forget = switches.add(onSwitch);
      const stop = () => {
        forget();
        const there = channels.get(channel);
        if (there?.delete(listener) && there.size === 0) channels.delete(channel);
      };
      try {
        await start();
      } catch (error) {
        stop();
        throw error;
      }
      return stop;
    },
  };
}

/** No name of ours is like it. */
const echoChannel = "\u0000echo";

/** Each change once, to all that are there; who comes while notices are lost is told too. */
function createSwitches() {
  const listeners = new Set<OnSwitch>();
  let now: Parameters<OnSwitch>[0] = "notices";
  return {
    add(onSwitch: OnSwitch = () => {}) {
      const own: OnSwitch = (to) => onSwitch(to);
      listeners.add(own);
      if (now === "poll") queueMicrotask(() => listeners.has(own) && own("poll"));
      return () => void listeners.delete(own);
    },
    tell(to: typeof now) {
      if (to === now) return;
      now = to;
      for (const listener of [...listeners]) queueMicrotask(() => listeners.has(listener) && listener(to));
    },
  };
}
