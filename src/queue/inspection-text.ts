/** An inspection as a report for people. */
import type { Inspection, Repeat } from "../contract/broker.ts";

type Shown = Inspection & { readonly broker: string; readonly queue: string };

export function inspectionText(shown: Shown): string {
  const { broker, queue, states, names, options, versions, sampled, oldest, repeats, schedulers, notes } = shown;
  const part = sampled.jobs < sampled.of ? `, by ${sampled.jobs} of its ${sampled.of} jobs` : "";
  const lines = [
    `queue "${queue}" on ${broker}${part}`,
    `written by: ${versions.join(", ") || "nobody yet"}`,
    `states: ${countsText(states) || "empty"}`,
    ...Object.entries(names).map(([name, counts]) => `name ${JSON.stringify(name)}: ${countsText(counts)}`),
    ...Object.entries(options).map(([name, values]) => `option ${name}: ${countsText(values)}`),
    ...(oldest
      ? [`oldest: ${oldest.id} ${JSON.stringify(oldest.name)}, ${oldest.state}, of ${time(oldest.publishedAt)}`]
      : []),
    ...repeats.map((each) => `repeat of an older version: ${repeatText(each)}`),
    ...schedulers.map((each) => `scheduler ${each.key}: ${repeatText(each)}`),
    ...notes.map((note) => `- ${note}`),
  ];
  return lines.join("\n");
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([name, n]) => `${n} ${name}`)
    .join(", ");
}

function repeatText({ name, every, pattern, tz, next, hasData }: Repeat): string {
  const when = every === undefined ? `${pattern}${tz === undefined ? "" : ` ${tz}`}` : `every ${every} ms`;
  return `${JSON.stringify(name)} ${when}, next ${time(next)}${hasData ? "" : ", without data"}`;
}

const time = (ms: number) => (Number.isFinite(ms) ? new Date(ms).toISOString() : "an unknown time");
