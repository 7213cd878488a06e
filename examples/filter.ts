/** filter: a task that was done with the same arguments is not done again; or is not even published again. */
import { boost, shutdown } from "funboost";

const pages: string[] = [];
const crawl = boost(
  { queue: "crawl", broker: "memory", rpc: true, filter: { ttl: "1d", key: (url: string) => url.toLowerCase() } },
  async function crawl(url: string) {
    pages.push(url);
    return `the page of crawl ${pages.length}`;
  },
);
await crawl.consume();

const first = await crawl.push("https://example.com/A");
console.log(`https://example.com/A: ${await first.waitResult()}`);
const again = await crawl.push("https://example.com/a"); // equal by the key
console.log(`https://example.com/a, equal by the key: ${await again.waitResult()}`); // the first one's result
console.log(`it was not crawled: its status is "${(await again.record())?.status}"`);
const other = await crawl.publish(["https://example.com/a"], { filterKey: "forced" });
console.log(`the same under another key: ${await other.waitResult()}; ${pages.length} crawls for 3 messages`);

const remind = boost(
  { queue: "remind", broker: "memory", filter: { when: "published", ttl: "1h" } },
  async function remind(_user: string) {},
);
const [one, two] = [await remind.push("ada"), await remind.push("ada")];
console.log(
  `two reminders for ada: ${two.existing && two.id === one.id ? "the second push answers the first one's task" : "two tasks"}, ${await remind.count()} waits`,
);
await shutdown();
