/** What engines can do by themselves: what they lack is emulated, or refused. Types only. */

/**
 * What an engine, its server and this queue can do by themselves. All fields are required: a new one lists every
 * adapter to revisit.
 */
export interface Features {
  /** Keeps an id, a publish time and the attempt beside each message. False: they travel in the body's `extra`. */
  readonly ids: boolean;
  /** A message can be published to be delivered after a time. False: held in the store's timers until due. */
  readonly delay: boolean;
  /** A bigger `priority` is delivered first. False: lanes, one for each of five levels. */
  readonly priority: boolean;
  /**
   * The adapter can requeue one delivery after any delay and report the next attempt. False: a copy is published, then
   * the original acknowledged.
   */
  readonly retry: boolean;
  /** `ahead` is honoured. False: a lane `<queue>.sub`, read first. */
  readonly ahead: boolean;
  /** `setPaused` holds for every process and survives restarts as the broker does. False: a flag in the store. */
  readonly pause: boolean;
  /** Messages survive a restart of every process (and of the server, where there is one). Never emulated. */
  readonly durable: boolean;
  /** A message whose process died is delivered again. Never emulated. */
  readonly redelivers: boolean;
  /** Equal messages are delivered in the order in which they were published. Never emulated. */
  readonly ordered: boolean;
  /** `count` is exact. Never emulated; without it `waitIdle` is refused. */
  readonly exactCount: boolean;
  /** Each message goes to every consumer. Never emulated. */
  readonly broadcast: boolean;
  /** Keeps how a message ended, for `result`. False: results are kept in a store. */
  readonly results: boolean;
}
