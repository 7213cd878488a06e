/** The task behind the API of ../http.ts. The work is simulated. */
import { setTimeout as work } from "node:timers/promises";
import { boost, fct } from "funboost";

export const disk = { isFull: true };

export const encode = boost(
  { queue: "encode", broker: "memory", rpc: true, deadLetter: true, maxRetries: 0, log: false },
  async function encode(file: string) {
    if (file === "big.mov" && disk.isFull) throw new Error("the disk is full");
    for (let percent = 20; percent <= 100; percent += file === "long.mov" ? 1 : 20) {
      await fct.progress(`${percent} %`);
      await work(100, undefined, { signal: fct.signal }); // rejects as soon as it is cancelled
    }
    return file.replace(".mov", ".mp4");
  },
);
