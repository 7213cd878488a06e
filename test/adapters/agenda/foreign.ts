/** A job as Agenda's own users add it: what the kit hands to our consumers. */
import { Agenda, type AgendaBackend } from "agenda";

export async function publishForeign(
  { url = "", collection = "" }: Readonly<Record<string, string>>,
  queue: string,
  data: unknown,
): Promise<void> {
  const backend = await backendFor(url, collection);
  const agenda = new Agenda({ backend });
  await agenda.ready;
  await agenda.now(queue, data as Record<string, unknown>);
  await backend.disconnect();
}

/** Agenda's backend for a url, on the same table, prefix or collection as the broker under test. */
export async function backendFor(url: string, collection: string): Promise<AgendaBackend> {
  if (url.startsWith("redis")) {
    const { RedisBackend } = await import("@agendajs/redis-backend");
    return new RedisBackend({ connectionString: url, keyPrefix: collection });
  }
  if (url.startsWith("mongodb")) {
    const { MongoBackend } = await import("@agendajs/mongo-backend");
    return new MongoBackend({ address: url, collection });
  }
  const { PostgresBackend } = await import("@agendajs/postgres-backend");
  return new PostgresBackend({ connectionString: url, tableName: collection, ensureSchema: false });
}
