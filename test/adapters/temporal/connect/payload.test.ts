/** What Temporal carries, as others write it. */
import { expect, it } from "vitest";
import { fromPayload, toPayload } from "../../../../adapters/temporal/connect/payload.ts";

it("payloads of other clients are read", () => {
  expect(fromPayload({ metadata: { encoding: Buffer.from("binary/null") } })).toBeUndefined();
  expect(fromPayload({ metadata: { encoding: Buffer.from("json/protobuf") }, data: Buffer.from('{"a":1}') })).toEqual({
    a: 1,
  });
  expect([undefined, null, 0, "", [1]].map((value) => fromPayload(toPayload(value)))).toEqual([
    undefined,
    null,
    0,
    "",
    [1],
  ]);
});
