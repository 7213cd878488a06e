/** How a Temporal consumer asks for tasks: by long polls, one for each task that there is room for. */
import { clock, sleep } from "../../../src/base/clock.ts";
import { inNeutralContext } from "../../shared/neutral-context.ts";
import { isLate } from "../connect/errors.ts";
import type { NativeUse } from "../connect/native-connection.ts";
import type { PollAnswer } from "../connect/protocol.ts";
import { pauseMs } from "../connect/retries.ts";
import type { TemporalQueue } from "../queue.ts";

export interface Polls {
  /** Opens polls, where there is room for what they may bring. */
  fill(): void;
  /** Polls under way. They cannot be called back. */
  open(): number;
}

export interface PollsOptions {
  /** One poll. It brings nothing where its answer has no token. */
  ask(): Promise<PollAnswer>;
  /** How many tasks more may be held; what open polls may bring is not taken off. */
  room(): number;
  /** Also called after `stop`. */
  onTask(answer: PollAnswer): void;
  onError(error: unknown): void;
  /** At the begin and at the end of each poll, but for those that follow a failure and are not answered. */
  onPoll(): void;
  readonly stop: AbortSignal;
}

const fewest = 2;
const most = 10;
/**
 * The server answers a second before, with nothing. A poll cannot be called back: it may outlive its consumer by this
 * time, twice where the native side tries again.
 */
const longestPollMs = 10_000;

export function createPolls({ ask, room, onTask, onError, onPoll, stop }: PollsOptions): Polls {
  let open = 0;
  let wanted = fewest;
  let failures = 0;
  let resting = false;
  const fill = () => {
    // There is room by somebody's doing: what a poll brings must not see the async context of whoever made it.
    while (!resting && !stop.aborted && open < Math.min(wanted, room())) inNeutralContext(poll);
  };
  function poll(): void {
    open++;
    if (failures === 0) onPoll();
    ask().then(onAnswer, onFailure);
  }
  function onAnswer(answer: PollAnswer): void {
    open--;
    failures = 0;
    onPoll();
    // An idle queue keeps few polls: each task that comes calls for one more, each poll that brings none for one less.
    const brought = answer.taskToken.length > 0;
    wanted = brought ? Math.min(most, wanted + 1) : Math.max(fewest, wanted - 1);
    if (brought) onTask(answer);
    fill();
  }
  function onFailure(error: unknown): void {
    open--;
    if (stop.aborted || resting) return; // the others fail for the same reason
    onError(error);
    resting = true;
    void sleep(pauseMs(failures++), { signal: stop, unref: true }).then(() => {
      resting = false;
      fill();
    });
  }
  return { fill, open: () => open };
}

/** `perSecond`: Temporal's own limit for a task queue, told with each poll. */
export function createPoll(
  native: NativeUse,
  { client, queue }: TemporalQueue,
  perSecond: number | undefined,
): () => Promise<PollAnswer> {
  const request = {
    namespace: client.target.namespace,
    taskQueue: { name: queue },
    identity: client.identity,
    ...(perSecond !== undefined && { taskQueueMetadata: { maxTasksPerSecond: { value: perSecond } } }),
  };
  return async () => {
    const { connection } = native;
    const ask = () => connection.workflowService.pollActivityTaskQueue(request);
    try {
      return await connection.withDeadline(clock.now() + longestPollMs, ask);
    } catch (error) {
      if (isLate(error)) native.replace(connection);
      throw error;
    }
  };
}
