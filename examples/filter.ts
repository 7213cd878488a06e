/** filter: a task that was done with the same arguments is not done again; or is not even published again. */
import { boost, shutdown } from "funboost";

const pages: string[] = [];
const crawl = boost(
  { queue: "crawl", broker: "memory", rpc: true, filter: { ttl: "1d", key: (url: string) => url.toLowerCase() } },
  async function crawl(url: string) {
    pages.push(url);
    return `${url.length} characters`;
  },
);
await crawl.consume();

const first = await crawl.push("https://example.com/A");
console.log(`first: ${await first.waitResult()}`);
const again = await crawl.push("https://example.com/a"); // equal by the key
console.log(`equal by the key: ${await again.waitResult()}, ${(await again.record())?.status}`); // the first one's result
const other = await crawl.publish(["https://example.com/a"], { filterKey: "forced" });
console.log(`under another key: ${await other.waitResult()}; crawled ${pages.length} times for 3 messages`);

const remind = boost(
  { queue: "remind", broker: "memory", filter: { when: "published", ttl: "1h" } },
  async function remind(_user: string) {},
);
const [one, two] = [await remind.push("ada"), await remind.push("ada")];
console.log(
  `reminded twice: one task: ${one.id === two.id}, the second is ${two.existing ? "the first" : "new"}; waiting: ${await remind.count()}`,
);
await shutdown();
