import { afterAll } from "vitest";
import { describeBroker } from "../conformance/index.ts";
import { redisService } from "../support/services.ts";

const service = await redisService();
afterAll(() => service.stop());

describeBroker({
  name: "bullmq",
  create: new URL("./bullmq.create.ts", import.meta.url),
  service,
  ...(service.disrupt ? { disrupt: service.disrupt } : {}),
  timePrecisionMs: 50,
  knownGaps: {
    "whole numbers can be task ids":
      "BullMQ gives its own jobs the ids 1, 2, 3 ...: a caller's number could be one that it gives later, so it is refused at publish",
  },
});
