/** The public API with the catalog of brokers: `broker: "bullmq"` is all it takes. */
import { catalog } from "../adapters/catalog.ts";
import { shared } from "./base/process-wide.ts";

export * from "./core.ts";

shared().catalog = { ...catalog, ...shared().catalog };
