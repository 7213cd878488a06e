/**
 * When a lease that has lapsed may be given to others. That it lapsed says only that nobody could renew it: the server
 * may have stood still for longer. So a rescue first notes it, by the server's clock, and takes what is not renewed
 * from then on; of a note that is too old the same may be true.
 */
export interface RescueTime {
  /** How old a note must be: each living holder has renewed, or asked for it, in this time. */
  readonly afterMs: number;
  /** How old it may be, else it is made anew; once, because where looks are late what died is found all the same. */
  readonly beforeMs: number;
}

export const rescueTime = (leaseMs: number): RescueTime => ({ afterMs: 0.4 * leaseMs, beforeMs: leaseMs });
