/** The public API with the catalog of brokers: `broker: "bullmq"` is all it takes. */
import { catalog } from "../adapters/catalog.ts";
import { catalog as known } from "./setup/catalog.ts";

// Their names, to types.
export type {} from "../adapters/catalog.ts";
export * from "./core.ts";

known().brokers = { ...catalog, ...known().brokers };
