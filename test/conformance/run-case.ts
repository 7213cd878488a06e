/** Runs one case against one broker, without a test runner. */
import { missing, modeOf, type NamedCase, wanted } from "./all-cases.ts";
import { whyNoChildren } from "./child-process.ts";
import { type Context, createContext } from "./context.ts";
import { defaultPatienceMs, type Subject } from "./subject.ts";
import { within } from "./until.ts";

/** One row of a conformance report. */
export interface Outcome {
  readonly broker: string;
  readonly case: string;
  readonly clause: string;
  readonly mode: "native" | "emulated";
  readonly result: "passed" | "failed" | "skipped" | "known gap";
  readonly reason?: string;
  /** What it took, without its wait for a turn. */
  readonly seconds?: number;
}

const defaultTimeoutMs = 30_000;

/** More for a broker that needs more patience: a case waits several times. */
export function timeoutOf(each: NamedCase, { patienceMs }: Subject): number {
  return (each.timeoutMs ?? defaultTimeoutMs) * Math.max(1, patienceMs / defaultPatienceMs);
}

/**
 * Throws what the case found; answers its mode, and why it was skipped, if it was.
 */
export async function runCase(
  subject: Subject,
  each: NamedCase,
): Promise<{ readonly mode: Outcome["mode"]; readonly skipped?: string }> {
  const { context, clean } = await createContext(subject, each);
  const mode = modeOf(each, context.features);
  try {
    const skipped = await whyNot(subject, each, context);
    if (!skipped) await within("the whole case", each.run(context), timeoutOf(each, subject));
    else return { mode, skipped };
  } catch (error) {
    await clean().catch(() => {}); // what the case found says more than what it left behind
    throw error;
  }
  await clean();
  return { mode };
}

async function whyNot(subject: Subject, each: NamedCase, context: Context): Promise<string | undefined> {
  const { broker } = context;
  const lacking = missing(each, broker.features);
  if (lacking.length > 0) return `the broker does not declare: ${lacking.join(", ")}`;
  if (each.store && !broker.store) return "needs a store, which this broker has not: users set configure({ store })";
  const beyond = await nobodys(each, context);
  if (beyond.length > 0) return `without a store these cannot be emulated: ${beyond.join(", ")}`;
  if (each.foreign && !subject.foreign) return "its test file gives no foreign module";
  if (each.disrupts && !subject.disrupt) return "its test file gives no disrupt()";
  return each.processes ? whyNoChildren(subject) : undefined;
}

/**
 * The features that it asks for and that neither the engine nor the core has here. With a store the core has them all.
 */
async function nobodys(each: NamedCase, { broker, task }: Context): Promise<readonly string[]> {
  const foreign = wanted(each).filter((feature) => !broker.features[feature]);
  if (foreign.length === 0 || broker.store) return [];
  const support = await task({ maxRetries: 0 }, () => {}).features();
  return foreign.filter((feature) => support[feature] === "no");
}
