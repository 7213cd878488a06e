/** Rows of results: how they are made of samples, and printed. */
import type { Sample } from "./measure.ts";
import { medianInterval, ratios } from "./pairs.ts";

export interface Row {
  readonly broker: string;
  readonly operation: string;
  /** Of `ours` and `bare`. */
  readonly unit: string;
  readonly ours: number;
  /** The engine without funboost; null where there is nothing to compare with. */
  readonly bare: number | null;
  readonly ratio: number | null;
  /** 95 % interval of `ratio`; where there is none, of `ours`; null where one figure is all. */
  readonly low: number | null;
  readonly high: number | null;
  readonly goal?: string;
  readonly met?: boolean;
}

export interface Goal {
  readonly text: string;
  readonly met: (row: Row) => boolean;
}

type Name = Pick<Row, "broker" | "operation" | "unit">;

export const goals = {
  ratioAbove: (limit: number): Goal => ({ text: `low > ${limit}`, met: ({ low }) => low !== null && low > limit }),
  atLeast: (limit: number): Goal => ({ text: `>= ${round(limit)}`, met: ({ ours }) => ours >= limit }),
  atMost: (limit: number): Goal => ({ text: `<= ${round(limit)}`, met: ({ ours }) => ours <= limit }),
};

/** Ours against theirs, round by round. */
export function pairRow(name: Name, ours: readonly number[], bare: readonly number[], goal?: Goal): Row {
  const { middle: ratio, low, high } = medianInterval(ratios(ours, bare));
  return judged(
    { ...name, ours: medianInterval(ours).middle, bare: medianInterval(bare).middle, ratio, low, high },
    goal,
  );
}

export function singleRow(name: Name, values: readonly number[], goal?: Goal): Row {
  const { middle: ours, low, high } = medianInterval(values);
  return judged({ ...name, ours, bare: null, ratio: null, low, high }, goal);
}

export function figureRow(name: Name, ours: number, goal?: Goal): Row {
  return judged({ ...name, ours, bare: null, ratio: null, low: null, high: null }, goal);
}

function judged(row: Row, goal: Goal | undefined): Row {
  return goal ? { ...row, goal: goal.text, met: goal.met(row) } : row;
}

export const rates = (samples: readonly Sample[]) => samples.map(({ perSecond }) => perSecond);
export const cpus = (samples: readonly Sample[]) => samples.map(({ cpuUs }) => cpuUs);

function round(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

const cell = (value: number | null) => (value === null ? "" : round(value));

function cells({ broker, operation, unit, ours, bare, ratio, low, high, goal, met }: Row): string[] {
  const bounds =
    low === null || high === null
      ? ""
      : ratio === null
        ? `${round(low)} to ${round(high)}`
        : `${low.toFixed(3)} to ${high.toFixed(3)}`;
  return [
    broker,
    operation,
    unit,
    round(ours),
    cell(bare),
    ratio === null ? "" : ratio.toFixed(3),
    bounds,
    goal ?? "",
    goal === undefined ? "" : met ? "yes" : "NO",
  ];
}

/** A Markdown table that is aligned as text too. */
export function table(rows: readonly Row[]): string {
  const head = ["broker", "operation", "unit", "ours", "bare", "ratio", "95 % interval", "goal", "met"];
  return tableOf([head, ...rows.map(cells)], (column) => column >= 3 && column <= 5);
}

/** The first line is the head. */
export function tableOf(lines: readonly (readonly string[])[], numeric: (column: number) => boolean): string {
  const [head = [], ...rest] = lines;
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const show = (line: readonly string[]) =>
    `| ${line.map((text, i) => (numeric(i) ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (numeric(i) ? `${"-".repeat(width + 1)}:` : "-".repeat(width + 2))).join("|")}|`;
  return [show(head), rule, ...rest.map(show)].join("\n");
}
