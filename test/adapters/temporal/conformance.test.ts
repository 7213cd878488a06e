import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { allCases, describeBroker } from "../../conformance/index.ts";
import { serviceFor } from "../../support/services.ts";
import { byMode } from "./by-mode.ts";

const service = await serviceFor("temporal");
const folder = mkdtempSync(join(tmpdir(), "funboost-temporal-"));
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

const common = {
  create: new URL("./create.ts", import.meta.url),
  foreign: new URL("./foreign.ts", import.meta.url),
  service,
  ...(service.disrupt ? { disrupt: service.disrupt } : {}),
  lateMs: 1_100, // timers below a second come up to a second late
  leaseMs: 2_500, // so is the end of a lease
  patienceMs: 40_000, // beside another kit
  scale: 0.1,
};

describeBroker({
  ...common,
  name: "temporal",
  atOnce: 4,
});
describeBroker({
  ...common,
  name: "temporal (workflow)",
  settings: { TEMPORAL_MODE: "workflow" },
  atOnce: 4,
  cases: byMode,
});
// What Temporal itself does not keep, as with configure({ store }): the cases that are skipped without one, and those
// whose way is another with one.
const another = [
  "fifty runs of which one kills its process: fresh work goes on between their trials, and it alone is dead, with its reason",
  "eight runs of which three kill their process: fresh work goes on between their trials, and no other is dead",
  "redrive brings dead letters back, under their ids, as they were",
  "a redrive that is killed loses nothing and doubles nothing",
] as const;
describeBroker({
  ...common,
  name: "temporal with a store",
  settings: { storeFile: join(folder, "store.db") },
  atOnce: 4,
  cases: [...allCases.filter(({ store }) => store).map(({ name }) => name), ...another],
});
