/** express brings no types; this is the part that is used here. */
declare module "express" {
  import type { Server } from "node:http";

  interface Express {
    use(path: string, handler: unknown): Express;
    listen(port: number, host: string): Server;
  }
  const express: () => Express;
  export = express;
}
