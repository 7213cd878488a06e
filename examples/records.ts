/** record: a row for each task that ended; info() and stats() of a queue; dead letters brought back. */
import { boost, shutdown } from "funboost";

let down = true;
const mail = boost(
  {
    queue: "mail",
    broker: "memory",
    rpc: true,
    maxRetries: 0,
    deadLetter: true,
    record: true,
    log: false,
    onRecord: ({ status, args }) => console.log(`${status} ${args}`),
  },
  async function mail(to: string) {
    if (down && to.endsWith("@example.org")) throw new Error("the mail server is down");
    return `sent to ${to}`;
  },
);
await mail.consume();
const handles = await mail.pushMany([["ada@example.com"], ["bob@example.org"], ["cleo@example.org"]]);
await Promise.allSettled(handles.map((each) => each.waitResult()));

for (const { args, error, attempts } of await mail.records({ status: "dead", since: "1h", text: "example.org" })) console.log(args, error?.message, attempts);

down = false;
console.log(`redriven: ${await mail.deadLetters.redrive({ ratePerSecond: 50 })}`);
console.log(await mail.handle(handles[1]?.id as string).waitResult());
await mail.waitIdle();

const end = Date.now() + 5_000;
while ((await mail.info()).ran < 5 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100)); // added up once a second
const { ran, failed, ready, etaMs } = await mail.info();
console.log({ ran, failed, ready, etaMs });
console.log(`points: ${(await mail.stats({ step: "10m" })).length}`);
await shutdown();
