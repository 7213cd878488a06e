export type * from "./broker.ts";
export type * from "./store.ts";
