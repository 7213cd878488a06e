/** A job as BullMQ's own users add it: what the kit hands to our consumers. */
import { Queue } from "bullmq";

export async function publishForeign(
  settings: Readonly<Record<string, string>>,
  queue: string,
  data: unknown,
): Promise<void> {
  const prefix = process.env.FUNBOOST_TEST_PREFIX;
  const { hostname, port } = new URL(settings.REDIS_URL ?? process.env.REDIS_URL ?? "redis://127.0.0.1:6379");
  const bull = new Queue(queue, {
    connection: { host: hostname, port: Number(port || 6379) },
    ...(prefix ? { prefix: `${prefix}bull` } : {}),
  });
  try {
    await bull.add("theirs", data);
  } finally {
    await bull.close();
  }
}
