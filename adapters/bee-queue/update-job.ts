/** Another body for a job that waits: its text is written again, if it is still as it was read. */
import { bodyText, parseJson } from "../../src/base/json.ts";
import type { BrokerQueue } from "../../src/contract/index.ts";
import type { BeeClients } from "./clients.ts";
import { bodyOf, isStoredByUs } from "./delivery.ts";
import { scripts } from "./scripts.ts";

export async function updateJob(
  run: BeeClients["run"],
  base: string,
  id: string,
  edit: Parameters<NonNullable<BrokerQueue["update"]>>[1],
): Promise<boolean> {
  for (;;) {
    const text = (await run(scripts.read, base, [id])) as string | null;
    if (text === null) return false;
    const body = edit({ body: bodyOf(text), ours: isStoredByUs(text) });
    const answer = await run(scripts.update, base, [id, text, body === undefined ? text : withData(text, body)]);
    if (answer !== "again") return answer === 1;
  }
}

function withData(text: string, body: unknown): string {
  const { data: _, ...rest } = parseJson(text) as Record<string, unknown>;
  return `{"data":${bodyText(body)},${JSON.stringify(rest).slice(1)}`;
}
