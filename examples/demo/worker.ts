/** One worker process of the demo: consumes until the main process says stop or is gone. */
import { consumeAll, shutdown } from "funboost";
import { analyse, summarise } from "./tasks.ts";

process.once("disconnect", () => void shutdown({ grace: "5s" }));
await consumeAll([analyse, summarise]);
process.send?.("ready");
