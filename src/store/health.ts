/** Whether a store answers: known from its calls, said once, and told to those who wait for it. */
import { clock } from "../base/clock.ts";
import { FunboostError, isFunboostError, toError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Store } from "../contract/store.ts";

interface Health {
  readonly down: boolean;
  /** Hears of each change; answers a function that ends it. */
  watch(listener: (down: boolean) => void): () => void;
  /** Once an outage, by whoever notices it first. */
  say(log: Logger, where: object, error: unknown): void;
  /** Waits so long, or until a store that was away comes back. */
  nap(ms: number, options: { readonly unref: boolean }): Promise<void>;
}

/** The side of whoever makes the calls. */
export interface HealthRecord extends Health {
  recordAnswer(): void;
  /** Answers the error to reject with. */
  recordError(error: unknown): Error;
}

interface State {
  readonly name: string;
  readonly listeners: Set<(down: boolean) => void>;
  outage: { readonly since: number; readonly waiting: Set<() => void> } | undefined;
  upSince: number;
  saidAt: number;
  sayOver: (() => void) | undefined;
}

const sayAgainMs = 60_000;
/** One call that fails for ever beside others that work is no new outage each time. */
const steadyMs = 5_000;
const realOutageMs = 1_000;

const healths = new WeakMap<Store, HealthRecord>();
const sources = new WeakMap<Error, Health>();

export function healthOf(store: Store): HealthRecord {
  const known = healths.get(store) ?? createHealth(`${store.name} store`);
  healths.set(store, known);
  return known;
}

/** `other` is the same store, seen another way. */
export function shareHealth(store: Store, other: Store): void {
  healths.set(other, healthOf(store));
}

/** The store that an error came from, if it came from one. */
export function healthBehind(error: Error): Health | undefined {
  return sources.get(error);
}

function createHealth(name: string): HealthRecord {
  const longAgo = Number.NEGATIVE_INFINITY;
  const state: State = {
    name,
    listeners: new Set(),
    outage: undefined,
    upSince: longAgo,
    saidAt: longAgo,
    sayOver: undefined,
  };
  const health: HealthRecord = {
    get down() {
      return state.outage !== undefined;
    },
    watch(listener) {
      state.listeners.add(listener);
      return () => void state.listeners.delete(listener);
    },
    say: (log, where, error) => say(state, log, where, error),
    nap: (ms, options) => nap(state, ms, options),
    recordAnswer() {
      if (state.outage) endOutage(state, state.outage);
    },
    recordError(cause) {
      if (isFunboostError(cause) && cause.code.startsWith("BAD_")) return cause; // the caller's fault
      const text = `the store does not answer: ${toError(cause).message}`;
      const error = isFunboostError(cause) ? cause : new FunboostError("BROKER_DOWN", text, { where: name, cause });
      sources.set(error, health);
      startOutage(state);
      return error;
    },
  };
  return health;
}

/** It answers again. */
function endOutage(state: State, { since, waiting }: NonNullable<State["outage"]>): void {
  state.outage = undefined;
  state.upSince = clock.monotonic();
  if (state.upSince - since > realOutageMs) for (const wake of [...waiting]) wake();
  state.sayOver?.();
  state.sayOver = undefined;
  for (const listener of [...state.listeners]) listener(false);
}

/** It answers no more. */
function startOutage(state: State): void {
  if (state.outage) return;
  state.outage = { since: clock.monotonic(), waiting: new Set() };
  for (const listener of [...state.listeners]) listener(true);
}

/** A set of our own: hundreds of runs may wait, too many for one signal. */
function nap({ outage }: State, ms: number, options: { readonly unref: boolean }): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      cancel();
      outage?.waiting.delete(wake);
      resolve();
    };
    const cancel = clock.after(ms, wake, options);
    outage?.waiting.add(wake);
  });
}

function say(state: State, log: Logger, where: object, error: unknown): void {
  const now = clock.monotonic();
  const isNew = state.sayOver === undefined && now - state.upSince > steadyMs;
  if (!isNew && now - state.saidAt < sayAgainMs) return;
  state.saidAt = now;
  const fields = { ...where, store: state.name };
  state.sayOver = () => log.info(fields, "the store answers again");
  log.error({ ...fields, error: toError(error) }, "the store does not answer: what needs it waits until it does");
}
