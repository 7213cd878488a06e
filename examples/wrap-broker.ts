/** wrapBroker: a shipped broker with one behaviour changed. Here the newest message goes first, and large bodies are refused. */
import { boost, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";

const newestFirst = wrapBroker(memory(), (queue, name) => ({
  publish(messages) {
    for (const { body } of messages)
      if (JSON.stringify(body).length > 1_000) throw new RangeError(`${name} takes no more than 1,000 characters`);
    return queue.publish(messages.map((message) => ({ ...message, ahead: true })));
  },
}));

const seen: number[] = [];
const news = boost({ queue: "news", broker: newestFirst, concurrency: 1 }, async function news(n: number, _text = "") {
  seen.push(n);
});
await news.pushMany([[1], [2], [3]]);
const tooLarge = await news.push(4, "x".repeat(2_000)).catch((error: Error) => error.cause as Error);
console.log(`refused: ${"message" in tooLarge ? tooLarge.message : "nothing"}`);
await news.consume();
await news.waitIdle();
console.log(`pushed as 1, 2, 3, run as ${seen.join(", ")}`);
await shutdown();
