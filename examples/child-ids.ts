/** A parent that is retried does not double its children: each has an id that is the same over all retries. */
import { boost, fct, shutdown } from "funboost";

const sent: string[] = [];
const mail = boost({ queue: "mail-one", broker: "memory" }, async function mail(to: string) {
  sent.push(to);
});

const invite = boost(
  { queue: "invite", broker: "memory", rpc: true, backoff: 20, log: false },
  async function invite(people: string[]) {
    const items = people.map((person) => ({ args: [person] as [string], taskId: fct.childId(person) }));
    const handles = await mail.publishMany(items);
    console.log(`attempt ${fct.attempt}: ${handles.filter(({ existing }) => !existing).length} of 3 mails published`);
    if (fct.attempt === 1) throw new Error("the address book went away"); // after its children were published
    return handles.length;
  },
);

await mail.consume();
await invite.consume();
console.log(`invited: ${await (await invite.push(["ada", "bob", "cleo"])).waitResult()}`);
await mail.waitIdle();
console.log(`sent to: ${sent.sort().join(", ")}`); // each once

const again = await mail.publish(["ada"], { taskId: "newsletter-7-ada" });
await mail.waitIdle();
const known = await mail.publish(["ada"], { taskId: "newsletter-7-ada" }); // known for a day after its end
console.log(`the newsletter: ${again.existing ? "known" : "new"}, pushed again: ${known.existing ? "known" : "new"}`);
console.log(`mails sent in all: ${sent.length}`);
await shutdown();
