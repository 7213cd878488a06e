/** record: a row for each task that ended, found by status, time and text; onRecord: the same rows for a table of your own. */
import { boost, shutdown } from "funboost";

const mail = boost(
  {
    queue: "mail",
    broker: "memory",
    rpc: true,
    maxRetries: 0,
    log: false,
    record: { ttl: "30d" },
    onRecord: ({ status, args }) => console.log(`onRecord: ${status} ${args}`), // docs/controls.md has the SQL of such a table
  },
  async function mail(to: string) {
    if (to.endsWith("@example.org")) throw new Error("the mail server is down");
    return `sent to ${to}`;
  },
);
await mail.consume();
const handles = await mail.pushMany([["ada@example.com"], ["bob@example.org"], ["cleo@example.com"]]);
await Promise.allSettled(handles.map((each) => each.waitResult()));

for (const { args, error, attempts } of await mail.records({ status: "failed", since: "1h" }))
  console.log(`failed in the last hour: ${args}: ${error?.message}, attempts: ${attempts}`);
const found = await mail.records({ text: "example.com", limit: 10 });
console.log(`with "example.com", newest first: ${found.map(({ result }) => result).join("; ")}`);
console.log(`the first, by its id: ${(await mail.handle(handles[0]?.id as string).record())?.status}`);
await shutdown();
