import { afterAll } from "vitest";
import { describeBroker } from "../../conformance/index.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
afterAll(() => service.stop());

describeBroker({
  name: "bee-queue",
  create: new URL("./create.ts", import.meta.url),
  service,
  ...(service.disrupt ? { disrupt: service.disrupt } : {}),
  foreign: new URL("./foreign.ts", import.meta.url),
  knownGaps: {
    "whole numbers can be task ids":
      "Bee-Queue gives its own jobs the ids 1, 2, 3 ...: a caller's number could be one that it gives later, so it is refused at publish",
  },
});
