/** The web side: the same definition, an entry of the package that holds no parser, and none of the worker's code. */
import { publisher, shutdown } from "funboost/publisher";
import { mail } from "./tasks.ts";

const mails = publisher(mail);

const run = await mails.push("ada@example.com", "Hello"); // typed: mails.push("ada@example.com", 5) does not compile
const characters: number = await run.waitResult({ timeout: "20s" });
console.log(`web: sent, ${characters} characters of subject`);
await shutdown();
