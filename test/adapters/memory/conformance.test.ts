import { describeBroker } from "../../conformance/index.ts";

describeBroker({ name: "memory", create: new URL("./create.ts", import.meta.url) });
