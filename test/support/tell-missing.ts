/** A server that is not there: a skip that shows; a failure where REQUIRED_SERVICES names it. */
import { expect, it } from "vitest";
import type { RunningService } from "./services.ts";

/** `title`: what is not tested without it. */
export function tellMissing(title: string, { name, unavailable }: Pick<RunningService, "name" | "unavailable">): void {
  const required = (process.env.REQUIRED_SERVICES ?? "").split(",").includes(name);
  it.skipIf(!required)(`${title}: no ${name} here: ${unavailable}`, () =>
    expect.unreachable(`REQUIRED_SERVICES names ${name}: ${unavailable}`),
  );
}
