/** Who waits in this process for a result: told by notices, with a poll behind them; one read for all of a tick. */
import { queueMicrotask, repeat } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import { answer, hear, type Settle, type WaitMap, waitKey, waitOnce } from "../shared/wait-for.ts";
import type { Batches } from "./batches.ts";

const pollMs = 500;
/** Where notices come, which can be lost. */
const turnsWhileHeard = 10;
const mostIds = 1_000;

export interface Waits {
  wait(queue: string, id: string, signal: AbortSignal): Promise<string>;
  hear(queue: string, id: string, heard: Settle): () => void;
  onResults(queue?: string, ids?: readonly string[]): void;
  close(): void;
}

function partsOf(key: string): readonly [queue: string, id: string] {
  const colon = key.indexOf(":");
  const end = colon + 1 + Number(key.slice(0, colon));
  return [key.slice(colon + 1, end), key.slice(end)];
}

export function createWaits(batches: Batches, heard: () => boolean, listen: () => Promise<void>): Waits {
  const waits: WaitMap = new Map();
  const check = createCheck(batches, waits);
  const checkAll = () => {
    for (const key of waits.keys()) check(...partsOf(key));
  };
  const polling = createPolling(() => waits.size > 0, heard, checkAll);
  const hearOne: Waits["hear"] = (queue, id, settle) => {
    polling.start();
    const forget = hear(waits, waitKey(queue, id), settle);
    // Without a connection the poll goes on: a wait ends with its outcome or its signal, not with an outage.
    void listen().then(
      () => check(queue, id),
      () => {},
    );
    return forget;
  };
  return {
    wait: (queue, id, signal) => waitOnce(signal, (settle) => hearOne(queue, id, settle)),
    hear: hearOne,
    onResults(queue, ids) {
      if (queue === undefined || ids === undefined) return checkAll();
      for (const id of ids) if (waits.has(waitKey(queue, id))) check(queue, id);
    },
    close() {
      polling.stop();
      const text = "the store was closed while a result was waited for.";
      const error = new FunboostError("STORE", text, { where: "postgres" });
      for (const key of [...waits.keys()]) answer(waits, key, error);
    },
  };
}

function createPolling(cares: () => boolean, heard: () => boolean, checkAll: () => void) {
  let turn = 0;
  let stop: (() => Promise<void>) | undefined;
  async function poll(): Promise<void> {
    if (cares() && (!heard() || ++turn % turnsWhileHeard === 0)) checkAll();
  }
  return {
    start: () => void (stop ??= repeat(pollMs, poll, () => {})),
    stop() {
      void stop?.();
      stop = undefined;
    },
  };
}

/** Those of one tick are asked for together. */
function createCheck({ call }: Batches, waits: WaitMap): (queue: string, id: string) => void {
  const asked = new Map<string, Set<string>>();
  async function askOf(queue: string, ids: readonly string[]): Promise<void> {
    const found = await call<(string | null)[]>("get_results", [queue, ids]);
    ids.forEach((id, i) => void (found[i] != null && answer(waits, waitKey(queue, id), found[i])));
  }
  async function ask(): Promise<void> {
    const all = [...asked];
    asked.clear();
    for (const [queue, set] of all)
      for (let ids = [...set]; ids.length > 0; ids = ids.slice(mostIds)) await askOf(queue, ids.slice(0, mostIds));
  }
  return (queue, id) => {
    if (asked.size === 0) queueMicrotask(() => void ask().catch(() => {})); // the poll asks again
    asked.set(queue, (asked.get(queue) ?? new Set()).add(id));
  };
}
