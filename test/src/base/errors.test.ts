import { describe, expect, it } from "vitest";
import {
  FunboostError,
  isFunboostError,
  reviveError,
  serializeError,
  TaskError,
  toError,
} from "../../../src/base/errors.ts";

class PaymentDeclined extends Error {
  override readonly name = "PaymentDeclined";
  readonly code = "card_declined";
  readonly authorization = "Bearer secret";
}

const travelled = (error: unknown, classes: (new (...args: never[]) => Error)[] = []) =>
  reviveError(JSON.parse(JSON.stringify(serializeError(error))), classes) as Error & { code?: string };

describe("an error that travels", () => {
  it("keeps name, message, stack, code and cause", () => {
    const cause = new TypeError("socket closed");
    const source = Object.assign(new RangeError("too much", { cause }), { code: "E_MUCH" });
    const error = travelled(source);
    expect(error).toMatchObject({ name: "RangeError", message: "too much", code: "E_MUCH" });
    expect(error.stack).toBe(source.stack);
    expect(error.cause).toMatchObject({ name: "TypeError", message: "socket closed" });
  });

  it("takes nothing else with it", () => {
    expect(JSON.stringify(serializeError(new PaymentDeclined("no")))).not.toContain("secret");
  });

  it("comes back as its class only where that is listed", () => {
    expect(travelled(new PaymentDeclined("no"))).not.toBeInstanceOf(PaymentDeclined);
    const listed = travelled(new PaymentDeclined("no"), [PaymentDeclined]);
    expect(listed).toBeInstanceOf(PaymentDeclined);
    expect(listed).toMatchObject({ message: "no", code: "card_declined" });
  });

  it("keeps five causes and drops the sixth", () => {
    let error = new Error("7");
    for (const text of ["6", "5", "4", "3", "2", "1"]) error = new Error(text, { cause: error });
    const depth = (each: unknown): number => (each instanceof Error ? 1 + depth(each.cause) : 0);
    expect(depth(travelled(error))).toBe(5);
  });

  it("survives a cause that points back at itself", () => {
    const error = new Error("round");
    error.cause = error;
    expect(travelled(error).message).toBe("round");
  });
});

describe("a thrown value", () => {
  it.each([
    ["a string", "no luck", /^no luck$/],
    ["undefined", undefined, /threw undefined/],
    ["an object", { status: 500 }, /threw an object/],
  ])("that is %s becomes an Error", (_, thrown, text) => {
    expect(toError(thrown)).toBeInstanceOf(Error);
    expect(toError(thrown).message).toMatch(text);
  });
});

describe("our own errors", () => {
  it("are recognised by a brand, also when another copy of the package made them", () => {
    const foreign = Object.assign(new Error("x"), { [Symbol.for("funboost.error")]: true });
    expect(isFunboostError(foreign)).toBe(true);
    expect(isFunboostError(new Error("x"))).toBe(false);
  });

  it("say who speaks, where, and keep their class's name", () => {
    const error = new TaskError("failed", { status: "failed", taskId: "1", queue: "mails", attempts: 2 });
    expect(error).toMatchObject({ name: "TaskError", message: "[funboost] [mails] failed", code: "TASK" });
    expect(error).toBeInstanceOf(FunboostError);
  });
});
