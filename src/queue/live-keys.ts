/** Where what can be changed while tasks run is kept in the store, and the channel that tells of it. */

/** With its jitter below the 500 ms in which a change is in force. */
export const livePollMs = 300;

export const liveKeys = (scope: string) => {
  const name = encodeURIComponent(scope);
  return { qps: `live:qps:${name}`, concurrency: `live:concurrency:${name}`, hold: `live:hold:${name}` };
};

export const liveChannel = (scope: string) => `live:${encodeURIComponent(scope)}`;
