/** A script on Bee-Queue's keys: its text, and the hash by which the server knows it. */
import { createHash } from "node:crypto";

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/**
 * KEYS[1] is `<prefix>:<queue>:`. Bee-Queue knows no cluster, so the other names may be derived from it. Ours
 * begin with `<prefix>:<queue>:funboost`.
 */
const names = `
local base = KEYS[1]
local waiting, active, jobs, delayed = base .. 'waiting', base .. 'active', base .. 'jobs', base .. 'delayed'
-- id -> "crashes:token": who holds a job, and how often it was lost. The token is empty while nobody of ours holds it.
local held = base .. 'funboost'
local function holder(value)
  local crashes, token = string.match(value or '', '^(%d+):(.*)$')
  return tonumber(crashes) or 0, token or ''
end
`;

export function createScript(lua: string): Script {
  const text = names + lua;
  return { lua: text, sha: createHash("sha1").update(text).digest("hex") };
}
