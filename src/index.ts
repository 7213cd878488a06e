/** The public API with the catalog of brokers: `broker: "bullmq"` is all it takes. */
import { catalog } from "../adapters/catalog.ts";
import { shared } from "./global.ts";

export * from "./core.ts";

shared().catalog = { ...catalog, ...shared().catalog };
