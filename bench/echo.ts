/** The task of the round trips. Started as a process of its own it consumes it until its parent goes. */
import { fileURLToPath } from "node:url";
import { boost } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { memory } from "funboost/adapters/memory";
import { sqlite } from "funboost/adapters/sqlite";

export type Where =
  | { readonly broker: "memory" }
  | { readonly broker: "sqlite"; readonly file: string }
  | { readonly broker: "bullmq"; readonly url: string };

export function echoTask(where: Where, queue: string) {
  const broker =
    where.broker === "memory"
      ? memory()
      : where.broker === "sqlite"
        ? sqlite({ file: where.file })
        : bullmq({ url: where.url });
  return boost({ queue, broker, params: ["n"], rpc: true }, async (n: number) => n);
}

async function serve(): Promise<void> {
  const [where, queue] = JSON.parse(process.argv[2] as string) as [Where, string];
  process.once("disconnect", () => process.exit());
  await echoTask(where, queue).consume();
  process.send?.("ready");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve();
