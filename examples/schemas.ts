/** input and output: arguments are checked before they are sent and before they run, results before they are kept. */
import { boost, type Schema, shutdown, type TaskError } from "funboost";

/** zod, valibot and arktype make such schemas: `input: z.object({ email: z.email() })`. */
const check = (fits: (value: unknown) => boolean, message: string): Schema => ({
  "~standard": {
    version: 1,
    vendor: "example",
    validate: (value) => (fits(value) ? { value } : { issues: [{ message }] }),
  },
});

const invite = boost(
  {
    queue: "invite",
    broker: "memory",
    rpc: true,
    params: ["email"],
    log: false,
    input: check((value) => String(value).includes("@"), "is no address"),
    output: check((value) => value !== "", "is empty"),
  },
  async function invite(email: string) {
    return email.split("@")[0] ?? "";
  },
);
await invite.consume();
console.log(`fits: ${await (await invite.push("ada@example.com")).waitResult()}`);
console.log(`before anything is sent: ${await invite.push("nobody").catch((error: Error) => error.message)}`);
const foreign = await invite.publishRaw({ email: "nobody" }); // from elsewhere, unchecked: to the dead letters
const { status } = await invite.handle(foreign.id).waitRecord();
console.log(`sent by another program: ${status}, dead letters: ${await invite.deadLetters.count()}`);
const nameless = await invite.push("@example.com");
console.log(`its result: ${await nameless.waitResult().catch((error: TaskError) => (error.cause as Error).message)}`);
await shutdown();
