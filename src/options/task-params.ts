/** taskParams(): params that several tasks share. */
import type { BrokerOptionsOf } from "../contract/brokers.ts";
import type { Refused } from "../task/function-types.ts";
import type { TaskParams } from "./task.ts";
import { checkShared } from "./task-checks.ts";

/** No option but those of a task. */
type Known<P> = { readonly [Name in Exclude<keyof P, keyof TaskParams>]: Refused<"There is no such option."> };

/** No option but those of its broker. Their values are checked at `boost()`. */
type KnownOfBroker<P> = P extends { readonly broker: infer B; readonly brokerOptions: infer Own }
  ? {
      readonly brokerOptions: {
        readonly [Name in Exclude<keyof Own, NamesOf<BrokerOptionsOf<B>>>]: Refused<"The broker has no such option.">;
      };
    }
  : unknown;
type NamesOf<Options> = Options extends unknown ? keyof Options : never;

/**
 * Params that several tasks share, checked where they are written. Their types stay what they are, so that a spread of
 * them compiles: in an object of its own `broker: "bullmq"` and `timeout: "30s"` would be any text.
 *
 * @example
 * const shared = taskParams({ broker: "bullmq", rpc: true, timeout: "30s" });
 * const resize = boost({ ...shared, queue: "resize" }, (file: string) => file);
 * @throws BAD_OPTION for what boost() would refuse.
 */
export function taskParams<const P extends Partial<TaskParams>>(params: P & Known<P> & KnownOfBroker<P>): P {
  checkShared(params);
  return params;
}
