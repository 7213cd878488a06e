/** State that all copies of funboost in a process share: bundlers and pnpm make several. */

/**
 * Raised whenever the shape of what lies under it changes: an old copy and a new one must not read each other's state.
 */
export const processKey = Symbol.for("funboost.v2");

/** The one state of this name in the process, made by whoever asks first. */
export function processWide<T>(name: string, make: () => T): () => T {
  let state: T | undefined;
  return () => {
    state ??= find(name, make);
    return state;
  };
}

function find<T>(name: string, make: () => T): T {
  const home = globalThis as { [processKey]?: Record<string, unknown> };
  home[processKey] ??= {};
  home[processKey][name] ??= make();
  return home[processKey][name] as T;
}
