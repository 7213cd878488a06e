/** Temporal, both ways to run a task: a workflow with one activity, and a standalone activity. */
import { fileURLToPath } from "node:url";
import { Client, Connection } from "@temporalio/client";
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from "@temporalio/worker";
import { temporal } from "funboost/adapters/temporal";
import type { EngineBench, Side } from "../engine.ts";
import { goals } from "../report.ts";
import { bodyOf } from "../work.ts";
import { concurrency, ourSide } from "./ours.ts";

const goal = goals.ratioAbove(0.95);
const both = { publish: goal, consume: goal };

export const temporalBench: EngineBench = {
  broker: "temporal",
  jobs: 600,
  lanes: 100,
  bulk: 100,
  rounds: [["publish", "consume"]],
  restMs: 1_500,
  consumeFrom: "first",
  comparisons: [
    { label: "workflows, bare against bare", side: "workflow-again", against: ["workflow-bare"] },
    { label: "workflows", side: "workflow-ours", against: ["workflow-bare", "workflow-again"], goals: both },
    { label: "activities, bare against bare", side: "activity-again", against: ["activity-bare"] },
    { label: "activities", side: "activity-ours", against: ["activity-bare", "activity-again"], goals: both },
    { label: "bare activities against bare workflows", side: "activity-bare", against: ["workflow-bare"] },
    { label: "activities against workflows, both ours", side: "activity-ours", against: ["workflow-ours"] },
  ],
  async open(side, address, name) {
    const [mode, whose] = side.split("-") as ["workflow" | "activity", "bare" | "again" | "ours"];
    const connection = await Connection.connect({ address });
    const client = new Client({ connection });
    const task = mode === "workflow" ? workflows(client, name) : activities(client, name);
    const own =
      whose === "ours"
        ? ourSide(name, temporal({ address, mode, orchestrator: `${name}-workflows` }))
        : await bareSide(mode, task, address, name);
    return {
      ...own,
      left: task.left,
      clear: task.clear,
      async close() {
        await own.close();
        await connection.close();
      },
    };
  },
};

/** `left` and `clear` hold for both sides: our workflows and activities have the queue's name as their type, too. */
type Way = Pick<Side, "add" | "left" | "clear">;

function workflows({ workflow }: Client, name: string): Way {
  const query = `WorkflowType = "${name}" AND ExecutionStatus = "Running"`;
  return {
    add: (index) => workflow.start(name, { taskQueue: name, workflowId: nextId(name), args: [bodyOf(index)] }),
    left: async () => (await workflow.count(query)).count,
    async clear() {
      for await (const { workflowId } of workflow.list({ query })) await workflow.getHandle(workflowId).terminate();
    },
  };
}

function activities({ activity }: Client, name: string): Way {
  const query = `ActivityType = "${name}" AND ExecutionStatus = "Running"`;
  return {
    add: (index) =>
      activity.start(name, {
        taskQueue: name,
        id: nextId(name),
        args: [bodyOf(index)],
        startToCloseTimeout: "1 minute",
      }),
    left: async () => (await activity.count(query)).count,
    async clear() {
      for await (const { activityId } of activity.list(query))
        await activity.getHandle(activityId).terminate("the round is over");
    },
  };
}

let ids = 0;
const nextId = (name: string) => `${name}-${ids++}`;

async function bareSide(
  mode: string,
  { add }: Way,
  address: string,
  taskQueue: string,
): Promise<Pick<Side, "add" | "work" | "close">> {
  const logger = new DefaultLogger("ERROR");
  Runtime.install({ logger, shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address });
  const workflowsPath = fileURLToPath(new URL("temporal-workflows.js", import.meta.url));
  const way: Partial<WorkerOptions> =
    mode === "workflow" ? { workflowBundle: await bundleWorkflowCode({ workflowsPath, logger }) } : {};
  return {
    add,
    async work({ hit }) {
      const activities = { [mode === "workflow" ? "job" : taskQueue]: async () => hit() };
      const worker = await Worker.create({
        connection,
        taskQueue,
        activities,
        maxConcurrentActivityTaskExecutions: concurrency,
        ...way,
      });
      const running = worker.run();
      return async () => {
        worker.shutdown();
        await running;
      };
    },
    close: () => connection.close(),
  };
}
