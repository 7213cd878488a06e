/** State that all copies of funboost in a process share: bundlers and pnpm make several. */

/**
 * Raised whenever the shape of what lies under it changes: an old copy and a new one must not read each other's state.
 */
const processKey = Symbol.for("funboost.v4");

/** The one state of this name in the process, made by whoever asks first. */
export function processWide<T>(name: string, create: () => T): () => T {
  let state: T | undefined;
  return () => {
    state ??= find(name, create);
    return state;
  };
}

function find<T>(name: string, create: () => T): T {
  const home = globalThis as { [processKey]?: Record<string, unknown> };
  home[processKey] ??= {};
  home[processKey][name] ??= create();
  return home[processKey][name] as T;
}
