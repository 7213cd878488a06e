/** What a run answered, fit for an engine that writes it down as JSON. */

/** Null for a result that is no JSON: an engine that fails at it would run the task again. */
export function resultOrNull(result: unknown): unknown {
  if (typeof result !== "object" && typeof result !== "bigint") return result;
  try {
    JSON.stringify(result);
    return result;
  } catch {
    return null;
  }
}
