/** Carried by BullMQ 6, and by 5 in the folder that scripts/on-clients.mjs makes. */
import { afterAll, it } from "vitest";
import { configure } from "../../../src/index.ts";
import { type Bullmq, describeMajors } from "../../support/majors.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });

if (service.unavailable) it.skip(service.unavailable, () => {});
else {
  const five = (await import("bullmq-5")) as unknown as Bullmq;
  const six = (await import(process.env.FUNBOOST_BULLMQ_6 ?? "bullmq")) as Bullmq;
  describeMajors("BullMQ 5 and 6 on one queue", { url: service.settings?.REDIS_URL ?? "", five, six });
}
