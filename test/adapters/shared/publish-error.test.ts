/** Why a publish was not accepted in full. */
import { expect, it } from "vitest";
import { publishError } from "../../../adapters/shared/publish-error.ts";
import { FunboostError } from "../../../src/base/errors.ts";

it("says how many failed, which are in the queue, and why", () => {
  const cause = new Error("the server is full");
  const error = publishError("here", cause, ["1", "2"], 5);
  expect(error).toMatchObject({ code: "PUBLISH_FAILED", accepted: ["1", "2"], cause });
  expect(error.message).toBe("[funboost] [here] 3 of 5 messages were not accepted: the server is full");
});

it("is our own error itself where nothing was accepted, and wraps any other", () => {
  const own = new FunboostError("BROKER_DOWN", "away");
  expect(publishError("here", own, [], 2)).toBe(own);
  expect(publishError("here", own, ["1"], 2)).toMatchObject({ code: "PUBLISH_FAILED", cause: own });
  expect(publishError("here", new Error("odd"), [], 2)).toMatchObject({ code: "PUBLISH_FAILED", accepted: [] });
});
