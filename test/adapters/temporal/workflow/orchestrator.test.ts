/** Who hears of an orchestrator's errors. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { useOrchestrator } from "../../../../adapters/temporal/workflow/orchestrator.ts";

describe("an orchestrator", () => {
  it("tells each of its users of its errors, for as long as they use it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funboost-orchestrator-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const codePath = join(folder, "bundle.js");
    writeFileSync(codePath, "");
    const runs: { fail(error: Error): void; end(): void }[] = [];
    const worker = () => ({
      run: () => new Promise<void>((end, fail) => void runs.push({ fail, end })),
      getState: () => "RUNNING",
      shutdown: () => runs.at(-1)?.end(),
    });
    const peer = {
      Runtime: { install: () => {} },
      DefaultLogger: class {},
      NativeConnection: { connect: async () => ({ close: async () => {} }) },
      Worker: { create: async () => worker() },
    };
    const options = {
      target: { address: "t.example:7233", namespace: "n" },
      identity: "i",
      taskQueue: "o",
      bundle: { codePath },
    };
    const heard: [string[], string[]] = [[], []];
    const use = (one: 0 | 1) =>
      useOrchestrator(peer as never, options, (error) => heard[one].push((error as Error).message));
    const [first, second] = [await use(0), await use(1)];
    runs[0]?.fail(new Error("both"));
    await expect.poll(() => runs).toHaveLength(2);
    await first();
    runs[1]?.fail(new Error("the second alone"));
    await expect.poll(() => runs).toHaveLength(3);
    await second();
    expect(heard).toEqual([["both"], ["both", "the second alone"]]);
  });
});
