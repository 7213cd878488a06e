/** The tasks: imported by the worker; the web server imports their types only. */
import { boost } from "funboost";

export const resize = boost(
  { queue: "resize", rpc: true, params: ["file", "width"] },
  async function resize(file: string, width: number): Promise<string> {
    return `${file} at ${width}px, by process ${process.pid}`;
  },
);
