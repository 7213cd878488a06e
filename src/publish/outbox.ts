/** Single pushes of one tick travel together: one call to the engine and one deadline for up to a chunk of them. */

import { isFunboostError } from "../base/errors.ts";
import { createTickBatches } from "../base/tick-batches.ts";
import type { Message, Published } from "../contract/broker.ts";
import type { Outbox } from "../setup/model.ts";

type Send = (messages: readonly Message[]) => Promise<readonly Published[]>;

interface Letter {
  readonly message: Message;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
}

// Small enough that the engine works on one while the next is written, large enough to be cheap (measured on BullMQ: 10
// and 250 are slower).
const chunk = 20;

export function createOutbox(send: Send): Outbox {
  const add = createTickBatches<Letter>({ size: chunk, send: (letters) => deliver(letters, send) });
  return (message) => new Promise((resolve, reject) => add({ message, resolve, reject }));
}

function deliver(letters: readonly Letter[], send: Send): void {
  send(letters.map(({ message }) => message)).then(
    (published) => {
      for (const [i, { resolve }] of letters.entries()) resolve(published[i] as Published);
    },
    (error: unknown) => {
      // Refused before anything was sent: only one of them is to blame.
      const refused = letters.length > 1 && isFunboostError(error) && error.code.startsWith("BAD_");
      if (refused) for (const letter of letters) deliver([letter], send);
      else for (const { reject } of letters) reject(error);
    },
  );
}
