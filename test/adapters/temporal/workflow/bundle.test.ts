/** Where the workflow's bundle is kept. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { workflowBundle } from "../../../../adapters/temporal/workflow/bundle.ts";

describe("the bundle", () => {
  it("is kept in the user's cache folder, for this user alone, and a file of one's own is taken instead", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funboost-bundle-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    vi.stubEnv("XDG_CACHE_HOME", folder);
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.resetModules();
    const again = (await import("../../../../adapters/temporal/workflow/bundle.ts")).workflowBundle;
    const builds = vi.fn(async () => ({ code: "the bundle" }));
    expect(await again({ bundleWorkflowCode: builds }, undefined)).toEqual({ code: "the bundle" });
    const [file = ""] = readdirSync(join(folder, "funboost"));
    expect(file).toMatch(/^temporal-workflow-[\da-f]{32}\.js$/);
    if (process.platform !== "win32") expect(statSync(join(folder, "funboost")).mode & 0o077).toBe(0);
    vi.resetModules();
    const third = (await import("../../../../adapters/temporal/workflow/bundle.ts")).workflowBundle;
    expect(await third({ bundleWorkflowCode: builds }, undefined)).toEqual({ code: "the bundle" });
    expect(builds).toHaveBeenCalledTimes(1);
    expect(await workflowBundle({ bundleWorkflowCode: builds }, { codePath: join(folder, "funboost", file) })).toEqual({
      code: "the bundle",
    });
    await expect(
      workflowBundle({ bundleWorkflowCode: builds }, { codePath: join(folder, "none.js") }),
    ).rejects.toMatchObject({ code: "BAD_OPTION" });
  });
});
