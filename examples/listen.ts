/** What becomes of a task's runs, told in the process that runs them: for alerts and metrics. */
import { boost, fct, shutdown } from "funboost";

const resize = boost(
  { queue: "resize", broker: "memory", maxRetries: 1, backoff: 10, log: false },
  async function resize(file: string) {
    await fct.progress({ file, percent: 50 });
    if (file === "broken.png") throw new Error("no picture");
    return file.replace(".png", "-small.png");
  },
);
resize.on("progress", ({ value }) => console.log("progress", value));
resize.on("retry", ({ attempt, error, delayMs }) =>
  console.log(`attempt ${attempt} failed: ${error.message}; again in ${delayMs} ms`),
);
resize.on("done", ({ result, attempts }) => console.log(`done: ${result}, ${attempts} attempt`));
resize.on("failed", ({ error, attempts }) => console.log(`failed after ${attempts} attempts: ${error?.message}`));

await resize.consume();
await resize.push("cat.png");
await resize.push("broken.png");
await resize.waitIdle();
await shutdown();
