/** What the cases of all stores share. */
import { expect, vi } from "vitest";
import { clock } from "../../../src/base/clock.ts";
import type { StartRow, Store } from "../../../src/contract/index.ts";

export interface StoreContext {
  readonly store: Store;
  /** The same keys over another connection; `store` itself where a process has no more than one. */
  readonly other: Store;
  /** Another one on the same keys, closed at the end. */
  open(): Promise<Store>;
}

export type StoreCase = (context: StoreContext) => Promise<void>;

export const never = (): AbortSignal => new AbortController().signal;
export const byId = (entries: readonly { readonly id: string }[]) => entries.map(({ id }) => id).sort();
export const soon = (holds: () => void) => vi.waitFor(holds, { timeout: 2_000, interval: 5 });

/** That of `ofMs`, counted from `since` at the earliest, no more is gone than has passed. 2 ms for clocks of whole milliseconds. */
export function expectLeft(leftMs: number | undefined, ofMs: number, since: number): void {
  expect(leftMs).toBeLessThanOrEqual(ofMs + 0.01);
  expect(leftMs).toBeGreaterThanOrEqual(Math.max(0, ofMs - (clock.monotonic() - since) - 2));
}

export const waits = async (store: Store, key: string, row: StartRow) =>
  (await store.reserve(key, row)).starts.map(({ waitMs }) => waitMs);
