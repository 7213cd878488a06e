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
    "even numbers and texts with colons can be task ids": "BullMQ numbers its own jobs and builds its keys with colons: such ids are refused at publish",
  },
});
