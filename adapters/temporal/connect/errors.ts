/** What the errors of a Temporal server mean, and what is said of them. */
import { describe, FunboostError, isFunboostError, toError } from "../../../src/base/errors.ts";
import { maskSecrets } from "../../../src/base/mask-secrets.ts";
import type { Target } from "./target.ts";

const codes = {
  invalid: 3,
  deadline: 4,
  notFound: 5,
  known: 6,
  forbidden: 7,
  exhausted: 8,
  precondition: 9,
  unimplemented: 12,
  down: 14,
  unknownUser: 16,
};

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;
/** What we asked about is not there, or not any more. */
export const isGone = (error: unknown): boolean => codeOf(error) === codes.notFound;
/** Its id is in use, or was. */
export const isKnown = (error: unknown): boolean => codeOf(error) === codes.known;
/** It ended while we looked at it. */
export const isOver = (error: unknown): boolean => codeOf(error) === codes.precondition;
/** No answer came in time. The native side says so in words too. */
export const isLate = (error: unknown): boolean =>
  codeOf(error) === codes.deadline || /Timeout expired/i.test((error as Error).message);
/** Worth another try. */
export const isAway = (error: unknown): boolean =>
  [codes.down, codes.deadline, codes.exhausted].includes(codeOf(error) as number);
/** "Exhausted" is also what a busy server says. */
export const isTooLarge = (error: unknown): boolean =>
  codeOf(error) === codes.invalid ||
  (codeOf(error) === codes.exhausted && /larger than max/i.test((error as Error).message));

/** In our words, with what to do about it. */
export function explain(error: unknown, { address, namespace }: Target): Error {
  if (isFunboostError(error)) return error;
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown }).cause);
  const cause = toError(error);
  const text = maskSecrets(detailsOf(error));
  const refused = (fix: string) =>
    new FunboostError("BROKER_REFUSED", `Temporal at ${address} refused: ${text} ${fix}`, { where: "temporal", cause });
  if (code === codes.forbidden || code === codes.unknownUser)
    return refused('Check "apiKey" or the client certificate in "tls", and its rights in the namespace.');
  if (code === codes.notFound && /namespace/i.test(text))
    return refused(`Create the namespace "${namespace}", or set "namespace" to one that is there.`);
  if (code === codes.unimplemented) return refused("Is it a Temporal server, of version 1.29 or later?");
  if (code === codes.down || code === codes.deadline || isTransport(cause)) {
    const fix = 'Is the server up, and "address" right? A server with TLS needs "tls", or "apiKey".';
    return new FunboostError("BROKER_DOWN", `Temporal at ${address} cannot be reached: ${text} ${fix}`, {
      where: "temporal",
      cause,
    });
  }
  return cause;
}

function isTransport({ name, message }: Error): boolean {
  return (
    name === "TransportError" ||
    /Failed to connect before the deadline|Timeout expired|transport error|Channel has been shut down/i.test(message)
  );
}

function detailsOf(error: unknown): string {
  const { details, message, cause } = error as { details?: string; message?: string; cause?: unknown };
  const text: string = (cause ? detailsOf(cause) : "") || details || message || describe(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
