/** W3C trace context: from whoever publishes to the run, in the message's headers, and on to its children. */

import { processWide } from "../base/process-wide.ts";
import { currentRun } from "./context.ts";

export type Headers = Readonly<Record<string, string>>;

/** How the tracer of an application is told, such as OpenTelemetry's `propagation`. */
export interface TraceHooks {
  /** Headers of the context that publishes: `traceparent`, `tracestate`, `baggage`. */
  readonly inject?: () => Headers;
  /** Runs a task in the context that its headers tell. */
  readonly run?: <T>(headers: Headers, work: () => T) => T;
}

const tracing = processWide("trace", (): { hooks: TraceHooks | undefined } => ({ hooks: undefined }));

export function setTraceHooks(hooks: TraceHooks | undefined): void {
  tracing().hooks = hooks;
}

const contextHeaders = ["traceparent", "tracestate", "baggage"] as const;

/** What a message is to carry of the current context: the tracer's word, else what the running task has itself. */
export function traceHeaders(): Headers | undefined {
  const { hooks } = tracing();
  if (hooks?.inject) {
    const headers = hooks.inject() as Headers | undefined; // a tracer that is off may answer nothing
    return headers && Object.keys(headers).length > 0 ? headers : undefined;
  }
  const own = currentRun()?.headers;
  if (!own?.traceparent) return undefined;
  return Object.fromEntries(contextHeaders.flatMap((name) => (own[name] === undefined ? [] : [[name, own[name]]])));
}

/** What runs a task in the context of its headers, where an application has set it. */
export function traceRun(): TraceHooks["run"] {
  return tracing().hooks?.run;
}
