/** timeout: the attempt fails at once, and `fct.signal` aborts so that the function can stop by itself. */
import { clock } from "../base/clock.ts";
import { TimeoutError } from "../base/errors.ts";
import type { Run } from "../task/context.ts";

export function withTimeout<T>(work: Promise<T>, ms: number, run: Run): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      const error = new TimeoutError(`attempt ${run.attempt} took longer than ${ms} ms`, run.queue);
      reject(error);
      run.controller.abort(error);
    });
    work.then(resolve, reject).finally(cancel);
  });
}
