/** A job as Bee-Queue's own users add it: what the kit hands to our consumers. */
import Bee from "bee-queue";

export async function publishForeign(
  settings: Readonly<Record<string, string>>,
  queue: string,
  data: unknown,
): Promise<void> {
  const prefix = process.env.FUNBOOST_TEST_PREFIX;
  const url = settings.REDIS_URL ?? process.env.REDIS_URL ?? "redis://127.0.0.1:6379";
  const bee = new Bee(queue, {
    redis: { url },
    isWorker: false,
    getEvents: false,
    storeJobs: false,
    ...(prefix ? { prefix: `${prefix}bq` } : {}),
  });
  try {
    await bee.createJob(data).retries(3).save();
  } finally {
    await bee.close();
  }
}
