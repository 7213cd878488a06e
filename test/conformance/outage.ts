/** Cases in which the store is away for a while: how it goes, what is said of it, and that the broker is not blamed. */
import assert from "node:assert/strict";
import type { Logger } from "../../src/index.ts";
import type { Case } from "./case.ts";
import type { CaseParams, Context } from "./context.ts";
import type { Outage, StoreSwitch } from "./store-switch.ts";

/** Long enough for every poll to look once. */
export const lookMs = 600;

export interface Down extends Context {
  readonly how: Outage;
  /** Of each task: what is said in the case. */
  readonly log: NonNullable<CaseParams["log"]>;
  /** Takes the store away; where its calls fail, until that was said. */
  off(): Promise<void>;
  /** Brings it back. */
  on(): Promise<void>;
}

type Work = Pick<Case, "feature" | "uses" | "needs"> & { readonly run: (down: Down) => Promise<void> };

/** Each case for a store whose calls fail, and for one whose calls hang until it is back. */
export function both<Name extends string>(
  list: Readonly<Record<Name, Work | Work["run"]>>,
  mark: Pick<Case, "engine"> = {},
) {
  const named = Object.entries<Work | Work["run"]>(list).flatMap(([name, work]) =>
    (["fails", "hangs"] as const).map((how) => [
      `a store that ${how}: ${name}`,
      { ...outageCase(how, typeof work === "function" ? { run: work } : work), ...mark },
    ]),
  );
  return Object.fromEntries(named) as Readonly<Record<`a store that ${Outage}: ${Name}`, Case>>;
}

function outageCase(how: Outage, { run, ...needs }: Work): Case {
  return {
    ...needs,
    outage: true,
    timeoutMs: 60_000,
    async run(context) {
      const lines: string[] = [];
      const say = (_: object, text: string) => void lines.push(text);
      const logger: Logger = { debug() {}, info: say, warn: say, error: say };
      const said = (text: string) => lines.filter((line) => line.startsWith(text)).length;
      const { until } = context;
      let outages = 0;
      const off: StoreSwitch["off"] = (kind) => {
        outages++;
        context.storeSwitch.off(kind);
      };
      const storeSwitch = { ...context.storeSwitch, off };
      const down: Down = {
        ...context,
        storeSwitch,
        how,
        log: { level: "info", logger },
        async off() {
          off(how);
          if (how === "fails" && outages === 1)
            await until("it is said", () => said("the store does not answer") === 1);
        },
        async on() {
          storeSwitch.on();
          if (how === "fails" && outages === 1)
            await until("it is said that it is over", () => said("the store answers again") === 1);
        },
      };
      try {
        await run(down);
      } finally {
        storeSwitch.on();
      }
      assert.ok(
        said("the store does not answer") <= outages,
        `said ${said("the store does not answer")} times: ${lines.join("\n")}`,
      );
      assert.equal(said("trouble with the broker"), 0, `the broker was blamed: ${lines.join("\n")}`);
    },
  };
}
