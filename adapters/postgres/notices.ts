/** What a process hears over LISTEN: one connection for all channels and all who wait. */
import { clock, queueMicrotask, within } from "../../src/base/clock.ts";
import type { Batches } from "./batches.ts";
import type { PgNotice, PgPool } from "./connection.ts";
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

export function createNotices(sources: NoticeSources): Notices {
  const channels = createChannels();
  const switches = createSwitches();
  const connection = createListener(sources, {
    hear: createHearing(sources, channels),
    onLost: () => switches.tell("poll"),
    onBack() {
      switches.tell("notices");
      sources.onBack();
    },
  });
  return {
    start: connection.start,
    heard: connection.heard,
    close() {
      connection.close();
      channels.clear();
    },
    async subscribe(channel, listener, onSwitch) {
      const leave = channels.add(channel, listener);
      const forget = switches.add(onSwitch);
      const stop = () => {
        forget();
        leave();
      };
      try {
        await connection.start();
      } catch (error) {
        stop();
        throw error;
      }
      return stop;
    },
  };
}

function createChannels() {
  const channels = new Map<string, Set<Listener>>();
  return {
    any: () => channels.size > 0,
    clear: () => channels.clear(),
    tell(channel: string, text: string) {
      for (const listener of channels.get(channel) ?? [])
        queueMicrotask(() => channels.get(channel)?.has(listener) && listener(text));
    },
    add(channel: string, given: Listener) {
      const listener: Listener = (text) => given(text); // the same function may subscribe twice
      channels.set(channel, (channels.get(channel) ?? new Set()).add(listener));
      return () => {
        const there = channels.get(channel);
        if (there?.delete(listener) && there.size === 0) channels.delete(channel);
      };
    },
  };
}

/** Notices as the functions of the schema write them. */
function createHearing({ batches, onResults }: NoticeSources, channels: ReturnType<typeof createChannels>) {
  return (payload: string): void => {
    const [kind, first, second] = decode(payload) as [string, string, unknown];
    if (kind === "n") channels.tell(first, second as string);
    else if (kind === "r") onResults(first, second as string[] | undefined);
    else if (kind === "l" && channels.any())
      void batches.call<[string, string]>("notice", [first]).then(
        (found) => found && channels.tell(...found),
        () => {}, // lost, as notices may be
      );
  };
}

interface Ears {
  readonly hear: (payload: string) => void;
  readonly onLost: () => void;
  readonly onBack: () => void;
}

interface Life {
  isOver: boolean;
}

/** Keeps one connection listening, from the first need on. */
function createListener(sources: NoticeSources, { hear, onLost, onBack }: Ears) {
  let end: (() => void) | undefined;
  /** From a start to the next close: a store is used again after it was closed. */
  let life: Life = { isOver: true };
  async function listen(mine: Life): Promise<boolean> {
    const ended = await listenOn(sources, hear, () => {
      if (mine.isOver) return;
      end = undefined;
      lose(mine, firstRetryMs);
    });
    if (mine.isOver) ended?.();
    else end = ended;
    return ended !== undefined;
  }
  function lose(mine: Life, retryMs: number): void {
    onLost();
    retry(mine, retryMs);
  }
  const retry = (mine: Life, ms: number) => void clock.after(ms, () => void comeBack(mine, ms), { unref: true });
  async function comeBack(mine: Life, ms: number): Promise<void> {
    const isHeard = mine.isOver || (await listen(mine).catch(() => undefined));
    if (mine.isOver) return;
    if (isHeard) onBack();
    else retry(mine, isHeard === false ? lookAgainMs : Math.min(ms * 2, mostRetryMs));
  }
  async function begin(): Promise<void> {
    const mine = { isOver: false };
    life = mine;
    if (!(await listen(mine)) && !mine.isOver) lose(mine, lookAgainMs);
  }
  const { start, forget } = untilItHolds(begin);
  const close = () => {
    life.isOver = true;
    forget();
    end?.();
    end = undefined;
  };
  return { start, heard: () => end !== undefined, close };
}

/** Begun once; again where it has failed, or was forgotten. */
function untilItHolds(begin: () => Promise<void>) {
  let beginning: Promise<void> | undefined;
  const forget = () => void (beginning = undefined);
  const start = () =>
    (beginning ??= begin().catch((error: unknown) => {
      forget();
      throw error;
    }));
  return { start, forget };
}

/** Answers what ends it; undefined where a notice of our own does not come back. */
async function listenOn({ open, batches }: NoticeSources, hear: (payload: string) => void, onLost: () => void) {
  const { pool, schema } = await open();
  const client = await pool.connect();
  client.unref();
  const echo = createEcho(batches);
  let state: "new" | "heard" | "over" = "new";
  const onNotice = ({ channel, payload }: PgNotice) => {
    if (channel === schema.channel && payload && !echo.isOwn(payload)) hear(payload);
  };
  const end = () => {
    if (state === "over") return;
    const wasHeard = state === "heard";
    state = "over";
    client.removeListener("notification", onNotice);
    client.release(true);
    if (wasHeard) onLost();
  };
  client.on("notification", onNotice);
  for (const event of ["error", "end"]) client.on(event, end);
  try {
    await client.query(`listen "${schema.channel}"`);
    const isHeard = await echo.comesBack();
    if ((state as string) === "over") throw new Error("the connection terminated");
    if (isHeard) state = "heard";
    return isHeard ? end : undefined;
  } finally {
    if (state === "new") end();
  }
}

function createEcho({ call }: Batches) {
  const token = Math.random().toString(36).slice(2);
  let onEcho = () => {};
  const back = new Promise<void>((resolve) => {
    onEcho = resolve;
  });
  return {
    isOwn(payload: string): boolean {
      const [, channel, text] = decode(payload) as unknown[];
      if (channel === echoChannel && text === token) onEcho();
      return channel === echoChannel;
    },
    async comesBack(): Promise<boolean> {
      await call("notify", [echoChannel, token]);
      return within(back, echoMs, { unref: true });
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
