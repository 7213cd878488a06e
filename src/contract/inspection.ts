/** What is in a queue that others fill. Types only. */

/** `options`: as a task's `brokerOptions`. */
export interface InspectSpec {
  readonly queue: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** What is in a queue. */
export interface Inspection {
  /** Jobs in each state, by the engine's own words. */
  readonly states: Readonly<Record<string, number>>;
  /** Of those that were read: how many of each name are in each state. */
  readonly names: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly sampled: { readonly jobs: number; readonly of: number };
  /** Of those that were read: how many have this option, by what it says. */
  readonly options: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Who wrote it, as far as it shows. */
  readonly versions: readonly string[];
  readonly paused: boolean;
  /** How many an older version has parked while it paused the queue. */
  readonly parked: number;
  /** As older versions keep them. */
  readonly repeats: readonly Repeat[];
  readonly schedulers: readonly Repeat[];
  /** Of those that were read. */
  readonly flows: { readonly parents: number; readonly children: number };
  /** Of those that were read: how many are kept from being added twice. */
  readonly deduplicated: number;
  readonly oldest?: {
    readonly id: string;
    readonly name: string;
    readonly state: string;
    readonly publishedAt: number;
  };
  /** What each finding means for a task on this queue. */
  readonly notes: readonly string[];
}

/** Jobs that are made again and again. Times are epoch milliseconds. */
export interface Repeat {
  readonly key: string;
  readonly name: string;
  readonly next: number;
  readonly every?: number;
  readonly pattern?: string;
  readonly tz?: string;
  readonly endDate?: number;
  /** False: what its jobs are to be given cannot be found. */
  readonly hasData: boolean;
}

export interface RepairedRepeats {
  readonly repaired: readonly (Repeat & { readonly scheduler: string })[];
  /** They have no data, and stay as they are. */
  readonly left: readonly Repeat[];
}
