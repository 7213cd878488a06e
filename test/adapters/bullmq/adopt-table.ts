/** Two runs of the same jobs, compared; and as a table for the docs. */
import { isDeepStrictEqual } from "node:util";
import { type Kind, kinds } from "./adopt-kinds.ts";
import type { Left, Ran } from "./adopt-runs.ts";

export interface Difference {
  readonly kind: Kind;
  readonly what: unknown;
}

/** Of the ends: runs, state, counts, answers. */
export function differences(theirs: Ran, ours: Ran): Difference[] {
  return kinds.flatMap((kind): Difference[] => {
    const [a, b] = [theirs.left.get(kind) ?? [], ours.left.get(kind) ?? []];
    const i = a.findIndex((each, n) => !isDeepStrictEqual(plain(each), plain(b[n])));
    return i >= 0 || a.length !== b.length ? [{ kind, what: { theirs: a[i], ours: b[i] } }] : [];
  });
}

/** The key of a flow's child is another in each run. */
const plain = (left: Left | undefined): unknown =>
  JSON.parse(JSON.stringify(left ?? null).replace(/child \S+ failed/, "child failed"));

/** A busy machine is late, by both. */
const lateMs = 250;

/** Of the times between runs, where little waits: never sooner than is said, and not much later. */
export function spacings(ran: Ran): Difference[] {
  return kinds.flatMap((kind) => {
    const medians = ran.waits.get(kind) ?? [];
    if ((ran.left.get(kind)?.length ?? 0) === 0) return [];
    const wanted = kind.waits === "none" ? medians.map(() => 0) : (kind.waitMs ?? []);
    const isRight = (each: number, i: number) =>
      (medians[i] ?? 0) >= each - 2 && (medians[i] ?? 0) <= 2 * each + lateMs;
    return wanted.length === medians.length && wanted.every(isRight) ? [] : [{ kind, what: medians }];
  });
}

const marks = { start: "<!-- jobs:start -->", end: "<!-- jobs:end -->" };

export function withTable(text: string, table: string): string {
  const [start, end] = [text.indexOf(marks.start), text.indexOf(marks.end)];
  if (start < 0 || end < start) throw new Error(`docs/from-bullmq.md needs the lines ${marks.start} and ${marks.end}`);
  return `${text.slice(0, start + marks.start.length)}\n${table}\n${text.slice(end)}`;
}

export function tableOf({ left }: Ran): string {
  const head = ["job", "runs", "waits between them", "`attemptsMade`", "state", "answer", "with boost"];
  const lines = kinds.map((kind) => {
    const [first] = left.get(kind) ?? [];
    const { runs = 0, attemptsMade, state } = first ?? ({} as Partial<Left>);
    const cells = [kind.name, runs, kind.waits ?? "", attemptsMade ?? "", state === "unknown" ? "removed" : state];
    return row([...cells, answerOf(first), kind.differs ?? "the same"]);
  });
  return [row(head), row(head.map(() => "---")), ...lines].join("\n");
}

const row = (cells: readonly unknown[]) => `| ${cells.map((each) => String(each)).join(" | ")} |`;

function answerOf(left: Left | undefined): string {
  if (left?.state === "failed")
    return left.failedReason === null
      ? "fails"
      : `fails: ${(left.failedReason ?? "").replace(/child \S+ failed/, "child ... failed")}`;
  return left?.state === "completed" ? `\`${JSON.stringify(left.returnvalue ?? null)}\`` : "";
}
