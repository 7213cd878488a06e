/** Carried by BullMQ 6; test/project/bullmq-5.test.ts has the same carried by 5. */
import { afterAll, it } from "vitest";
import { configure } from "../../../src/index.ts";
import { describeMajors } from "../../support/majors.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });

if (service.unavailable) it.skip(service.unavailable, () => {});
else {
  describeMajors("BullMQ 5 beside 6", {
    url: service.settings?.REDIS_URL ?? "",
    five: (await import("bullmq-5")) as unknown as typeof import("bullmq"),
    six: await import("bullmq"),
  });
}
