import { afterAll } from "vitest";
import { describeBroker } from "../conformance/index.ts";
import { serviceFor } from "../support/services.ts";

const service = await serviceFor("temporal");
afterAll(() => service.stop());

const common = {
  create: new URL("./temporal.create.ts", import.meta.url),
  foreign: new URL("./temporal.foreign.ts", import.meta.url),
  service,
  ...(service.disrupt ? { disrupt: service.disrupt } : {}),
  lateMs: 1_100, // timers below a second come up to a second late
  leaseMs: 2_500, // so is the end of a lease
  scale: 0.1,
};

describeBroker({ ...common, name: "temporal", atOnce: 4 });
// The way of a message differs, its consumer does not: what workflows change is in these clauses.
describeBroker({
  ...common,
  name: "temporal (workflow)",
  settings: { TEMPORAL_MODE: "workflow" },
  atOnce: 4,
  clauses: ["guarantees", "crashes", "delivery", "settlement", "results", "errors", "endings", "features", "contract"],
});
