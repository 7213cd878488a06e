/** use and usePublish: your own code around each run and around each publish. */
import { boost, fct, type Middleware, type PublishMiddleware, shutdown } from "funboost";

const timed: Middleware = async (task, next) => {
  const start = performance.now();
  try {
    return await next(); // the run; what is answered here is its result
  } finally {
    console.log(`${task.queue} took ${(performance.now() - start).toFixed(1)} ms`);
  }
};

const signed: PublishMiddleware = (outgoing, next) => {
  if (outgoing.args[0] === "") throw new RangeError("nobody to invite"); // refuses the message
  return next({ options: { ...outgoing.options, headers: { by: "web" } } });
};

const invite = boost(
  { queue: "invite", broker: "memory", rpc: true, use: [timed], usePublish: [signed] },
  async function invite(name: string) {
    return `${name}, asked for by ${fct.headers.by}`;
  },
);
await invite.consume();
console.log(await (await invite.push("Ada")).waitResult());
console.log(`refused before it was published: ${await invite.push("").catch((error: Error) => error.message)}`);
await shutdown();
