/** What the findings of an inspection mean for a task on the queue, in plain words. */
import type { Inspection } from "../../src/contract/index.ts";
import { repeatText } from "./repeats.ts";

type Found = Omit<Inspection, "notes">;

export function notesOf(found: Found): readonly string[] {
  const { names, options, flows, deduplicated, paused, parked, repeats, schedulers, states } = found;
  const many = Object.keys(names).length;
  const lines: readonly (string | false)[] = [
    many > 1 && `${many} names share this queue: one task for each name, by its "job", or adopt() for all of them.`,
    !options.attempts &&
      many > 0 &&
      "No attempts are set: with adopt: true a job that throws has failed after one run.",
    options.attempts !== undefined &&
      "Attempts are set: adopt: true keeps them; without it the task's maxRetries holds.",
    options.backoff !== undefined && backoffNote(options.backoff),
    options.timeout !== undefined && "Bull's timeout is set: BullMQ knows none. Set the task's own.",
    options.priority !== undefined && "Priorities: jobs without one run first, then 1, 2, 3, as in BullMQ.",
    (options.removeOnComplete ?? options.removeOnFail) !== undefined &&
      "Retention is set: adopt: true keeps to it, and leaves what has ended before.",
    parked > 0 &&
      `${parked} jobs were parked by a pause of BullMQ 5 or Bull 4: count() has them, and they run after resume().`,
    paused && "The queue is paused: nothing runs until resume().",
    ...repeats.map(
      (repeat) =>
        `Repeat ${repeatText(repeat)}: consuming is refused until repairRepeats()` +
        (repeat.hasData ? "." : `, which needs its data: { data: { ${JSON.stringify(repeat.name)}: ... } }.`),
    ),
    schedulers.length > 0 && `${schedulers.length} schedulers go on as they are, whoever consumes.`,
    flows.parents + flows.children > 0 &&
      "Flows: parents run after their children, and fct.childResults() has what those returned.",
    deduplicated > 0 && "Deduplication is BullMQ's own and goes on: its keys are freed when their jobs end.",
    (states.failed ?? 0) > 0 &&
      `${states.failed} failed jobs stay where they are: BullMQ's own retry brings them back.`,
  ];
  return lines.filter((line) => line !== false);
}

function backoffNote(backoff: Readonly<Record<string, number>>): string {
  const isOwn = (text: string) => text.startsWith("{") && !/"type":"(fixed|exponential)"/.test(text);
  const own = Object.keys(backoff).filter(isOwn);
  if (own.length === 0) return "Backoff is set: adopt: true keeps it.";
  const advice = "give brokerOptions.worker.settings.backoffStrategy, as the worker has it";
  return `Backoff of the worker's own kind (${own.slice(0, 3).join(", ")}): ${advice}.`;
}
