/** Memory as a broker, and as the store of what meets no engine. */
import { describeBroker } from "../../conformance/index.ts";

describeBroker({ name: "memory", create: new URL("./create.ts", import.meta.url) });
describeBroker({
  name: "memory store",
  create: new URL("../bare/create.ts", import.meta.url),
  settings: { store: "memory" },
  storeOnly: true,
});
