/** Around each run and each publish: use, usePublish; checked arguments and results: input, output; what happens inside, on diagnostics_channel. */
import { subscribe } from "node:diagnostics_channel";
import { boost, fct, type Middleware, type Schema, shutdown } from "funboost";

const timed: Middleware = async (task, next) => {
  const start = performance.now();
  try {
    return await next();
  } finally {
    console.log(`${task.queue} took ${performance.now() - start < 1_000 ? "less than a second" : "long"}`);
  }
};

/** zod, valibot and arktype make such schemas: `input: z.object({ email: z.email() })`. */
const withEmail: Schema = {
  "~standard": {
    version: 1,
    vendor: "example",
    validate: (value) => (String((value as { email?: unknown }).email).includes("@") ? { value } : { issues: [{ message: "is no address", path: ["email"] }] }),
  },
};

subscribe("funboost:run:end", (event) => console.log("event:", (event as { outcome: string }).outcome));

const invite = boost(
  {
    queue: "invite",
    broker: "memory",
    rpc: true,
    input: withEmail,
    use: [timed],
    usePublish: [(outgoing, next) => next({ options: { ...outgoing.options, headers: { by: "web" } } })],
  },
  async function invite({ email }: { email: string }) {
    return `${email}, asked for by ${fct.headers.by}`;
  },
);
await invite.consume();
console.log(await (await invite.push({ email: "ada@example.com" })).waitResult());
console.log(await invite.push({ email: "nobody" }).catch((error: Error) => error.message)); // before anything is sent
await shutdown();
