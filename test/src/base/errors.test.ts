import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import {
  copyError,
  describe as describeValue,
  FunboostError,
  isFunboostError,
  reviveError,
  serializeError,
  TaskError,
  toError,
} from "../../../src/base/errors.ts";
import { RetryError } from "../../../src/task/errors.ts";

class PaymentDeclined extends Error {
  override readonly name = "PaymentDeclined";
  readonly code = "card_declined";
  readonly authorization = "Bearer secret";
}

class CardExpired extends Error {}

function circle(): object {
  const made: Record<string, unknown> = {};
  made.self = made;
  return made;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** One of its members throws when it is read. */
const throwing = (member: string, on: object = new Error("as usual")): object =>
  Object.defineProperty(on, member, {
    get() {
      throw new TypeError(`no ${member}`);
    },
  });

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

  it("shows no password, in none of its texts and not where one is cut", () => {
    const address = `redis://me:secret${"y".repeat(100)}@cache`;
    const code = `${"x".repeat(150)} ${address}`;
    const message = `${"x".repeat(65_500)} ${address}`;
    const data = serializeError(Object.assign(new Error(message), { code, stack: message }));
    expect(JSON.stringify(data)).not.toContain("secret");
    expect([data.code, data.message.length]).toEqual([`${"x".repeat(150)} redis://***@cache`, 65_518]);
    expect(serializeError({ message: "", code: "x".repeat(1_000_000) }).code).toHaveLength(201);
  });

  it("a long text is described as quickly as a short one", () => {
    const from = performance.now();
    expect(describeValue(`${",a:".repeat(1_000_000)}@`)).toBe(JSON.stringify(`${",a:".repeat(20)}…`));
    expect(performance.now() - from).toBeLessThan(500); // all of it masked takes seconds
  });

  it("comes back as its class only where that is listed", () => {
    expect(travelled(new PaymentDeclined("no"))).not.toBeInstanceOf(PaymentDeclined);
    const listed = travelled(new PaymentDeclined("no"), [PaymentDeclined]);
    expect(listed).toBeInstanceOf(PaymentDeclined);
    expect(listed).toMatchObject({ message: "no", code: "card_declined" });
  });

  it("comes back as its class by the name of its constructor, too", () => {
    const data = serializeError(new CardExpired("in 2019"));
    expect(data).toMatchObject({ name: "Error", class: "CardExpired" });
    expect(travelled(new CardExpired("in 2019"), [PaymentDeclined, CardExpired])).toBeInstanceOf(CardExpired);
    const twice = travelled(travelled(new CardExpired("in 2019")), [CardExpired]);
    expect(twice).toBeInstanceOf(CardExpired);
  });

  it("comes back as a class that has getters of its own", () => {
    class Coded extends Error {
      get code() {
        return "own";
      }
    }
    expect(travelled(new Coded("x"), [Coded])).toMatchObject({ message: "x", code: "own" });
  });

  it("keeps code only where JSON does, and a name only where it is one", () => {
    const codes = ["23505", 404, Number.NaN, 5n, Symbol("x"), { a: 1 }];
    const kept = codes.map((code) => serializeError(Object.assign(new Error("x"), { code })).code);
    expect(kept).toEqual(["23505", 404, undefined, undefined, undefined, undefined]);
    expect(serializeError(Object.assign(new Error("x"), { name: 5 })).name).toBe("Error");
    expect(serializeError(Object.assign(new Error(), { message: { a: 1 } })).message).toBe('{"a":1}');
  });

  it("is cut where its message or its stack are huge", () => {
    const { message, stack } = serializeError(new Error("😀".repeat(100_000)));
    expect(message.length).toBe(65_537);
    expect(stack?.length).toBe(65_536); // not with half a pair
    expect(message.endsWith("😀…")).toBe(true);
  });

  it("is readable as JSON, and as a person reads it", () => {
    const cause = Object.assign(new TypeError("inner"), { code: "E_IN" });
    const error = travelled(Object.assign(new Error("outer", { cause }), { code: "E_OUT" }));
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({
      name: "Error",
      message: "outer",
      code: "E_OUT",
      cause: { name: "TypeError", message: "inner", code: "E_IN" },
    });
    expect(inspect(error)).not.toContain("toJSON");
    expect(Object.keys(error)).toEqual(["code"]);
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
    ["an object", { status: 500 }, /threw {"status":500}, which is no Error/],
    ["a list", ["a"], /threw \["a"\]/],
    ["a large object", { text: "x".repeat(1_000) }, /^A task threw {"text":"x{191}…, which/],
    ["of a class", new URLSearchParams("a=b"), /threw a URLSearchParams/],
    ["a circle", circle(), /threw an object/],
  ])("that is %s becomes an Error", (_, thrown, text) => {
    expect(toError(thrown)).toBeInstanceOf(Error);
    expect(toError(thrown).message).toMatch(text);
  });
});

describe("a copy of what was thrown", () => {
  it("says why it cannot be read", () => {
    expect(copyError(revoked()).message).toMatch(/^its message cannot be read: Cannot perform 'get' on a proxy/);
    expect(toError(revoked()).message).toMatch(/cannot be read/);
  });

  it.each(["message", "name", "stack", "code", "cause", "toString", "constructor"])("whose %s throws", (member) => {
    const copy = copyError(throwing(member));
    expect(Object.getPrototypeOf(copy)).toBe(Error.prototype);
    expect(copy.message).toBe(member === "message" ? "its message cannot be read: no message" : "as usual");
    expect(typeof copy.stack).toBe("string");
  });

  it("has copies of the causes, five deep", () => {
    const cause = throwing("message", new Error("deep", { cause: throwing("stack") }));
    const copy = copyError(new Error("top", { cause }));
    expect(copy.cause).toMatchObject({ message: "its message cannot be read: no message" });
    expect((copy.cause as Error).cause).toMatchObject({ message: "as usual" });
    expect(copyError(new Error("top", { cause: revoked() })).cause).toBe("an object that cannot be read");
    expect(copyError(throwing("cause")).cause).toBe("cannot be read: no cause");
  });

  it("of what is no Error is one, and never throws", () => {
    for (const odd of [throwing("message", {}), revoked(), Symbol("x"), Object.create(null), throwing("toJSON", {})]) {
      expect(copyError(odd)).toBeInstanceOf(Error);
      expect(() => JSON.stringify(serializeError(odd))).not.toThrow();
    }
  });

  it("of ours is ours, with what the core asks of it", () => {
    const copy = copyError(new RetryError({ after: 5_000, cause: throwing("message") }));
    expect(isFunboostError(copy)).toBe(true);
    expect(copy).toMatchObject({ name: "RetryError", code: "RETRY", after: 5_000 });
    expect(serializeError(copy).class).toBeUndefined();
    expect(copyError(throwing("after", new RetryError()))).toMatchObject({ code: "RETRY" });
    expect(isFunboostError(revoked())).toBe(false);
  });
});

describe("our own errors", () => {
  it("are readable as JSON, with what each tells", () => {
    const facts = {
      status: "failed",
      taskId: "1",
      queue: "mails",
      attempts: 2,
      cause: travelled(new Error("x")),
    } as const;
    expect(JSON.parse(JSON.stringify(new TaskError("failed", facts)))).toMatchObject({
      name: "TaskError",
      message: "[funboost] [mails] failed",
      code: "TASK",
      status: "failed",
      taskId: "1",
      attempts: 2,
      cause: { name: "Error", message: "x" },
    });
  });

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
