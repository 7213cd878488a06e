/** Runs one case against one broker, without a test runner. */
import { missing, modeOf, type NamedCase } from "./all-cases.ts";
import { whyNoChildren } from "./child-process.ts";
import { createContext } from "./context.ts";
import type { Subject } from "./subject.ts";
import { within } from "./until.ts";

/** One row of a conformance report. */
export interface Outcome {
  readonly broker: string;
  readonly case: string;
  readonly mode: "native" | "emulated";
  readonly result: "passed" | "failed" | "skipped" | "known gap";
  readonly reason?: string;
}

const defaultTimeoutMs = 30_000;

export function timeoutOf(each: NamedCase): number {
  return each.timeoutMs ?? defaultTimeoutMs;
}

/**
 * Throws what the case found; answers its mode, and why it was skipped, if it was.
 */
export async function runCase(subject: Subject, each: NamedCase): Promise<{ readonly mode: Outcome["mode"]; readonly skipped?: string }> {
  const { context, clean } = await createContext(subject);
  const mode = modeOf(each, context.features);
  try {
    const skipped = whyNot(subject, each, context.features);
    if (!skipped) await within("the whole case", each.run(context), timeoutOf(each));
    else return { mode, skipped };
  } catch (error) {
    await clean().catch(() => {}); // what the case found says more than what it left behind
    throw error;
  }
  await clean();
  return { mode };
}

function whyNot(subject: Subject, each: NamedCase, features: Parameters<typeof missing>[1]): string | undefined {
  const lacking = missing(each, features);
  if (lacking.length > 0) return `the broker does not declare: ${lacking.join(", ")}`;
  if (each.disrupts && !subject.disrupt) return "its test file gives no disrupt()";
  return each.processes ? whyNoChildren(subject) : undefined;
}
