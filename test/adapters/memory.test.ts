import { describeBroker } from "../conformance/index.ts";

describeBroker({ name: "memory", create: new URL("./memory.create.ts", import.meta.url) });
