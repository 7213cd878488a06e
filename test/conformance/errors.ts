/** Errors: what a waiter learns of a run that went wrong, wherever it ran. */
import assert from "node:assert/strict";
import { FatalError, fct, ResultError, type TaskError, type TaskParams } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { reasonOf } from "./dead-letters.ts";
import { rejection } from "./until.ts";

class PaymentDeclined extends Error {
  override readonly name = "PaymentDeclined";
}

class CardExpired extends Error {}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

/** Throws when this member is read, as a getter does over an answer that never came. */
const throwing = (member: string, on: object = new Error("as usual")): object =>
  Object.defineProperty(on, member, {
    get() {
      throw new TypeError(`no ${member} to read`);
    },
  });

/** A proxy that throws at `instanceof`. */
const withoutPrototype = (): object =>
  new Proxy(new Error("as usual"), {
    getPrototypeOf() {
      throw new TypeError("no prototype to read");
    },
  });

/** Thrown values that throw themselves when they are looked at. */
const hostile: Readonly<Record<string, () => unknown>> = {
  message: () => throwing("message"),
  name: () => throwing("name"),
  stack: () => throwing("stack"),
  code: () => throwing("code"),
  cause: () => throwing("cause"),
  "cause of a cause": () => new Error("as usual", { cause: throwing("message") }),
  "a revoked proxy": revoked,
  "a symbol": () => Symbol("odd"),
  "a symbol as message": () => Object.assign(new Error(), { message: Symbol("odd") }),
  "a symbol as name": () => Object.assign(new Error("as usual"), { name: Symbol("odd") }),
  toString: () => throwing("toString", {}),
  toJSON: () => throwing("toJSON", {}),
  "no prototype": () => Object.create(null),
  instanceof: withoutPrototype,
};

/** What is said of them; of all others "as usual". */
const said: Readonly<Record<string, RegExp>> = {
  message: /no message to read/,
  "a revoked proxy": /proxy/,
  "a symbol": /Symbol\(odd\)/,
  "a symbol as message": /Symbol\(odd\)/,
  toString: /no Error/,
  toJSON: /no Error/,
  "no prototype": /no Error/,
};

/** What waiters get from a task that throws `thrown`. */
async function causeOf(
  { task, consume, patienceMs }: Context,
  thrown: () => unknown,
  errors: NonNullable<TaskParams["errors"]> = [],
): Promise<Error & Record<string, unknown>> {
  const job = task({ rpc: true, maxRetries: 0, errors }, () => {
    throw thrown();
  });
  await consume(job);
  const error = (await rejection((await job.push()).waitResult({ timeout: patienceMs }))) as unknown as TaskError;
  assert.equal(error.name, "TaskError");
  return error.cause as Error & Record<string, unknown>;
}

/** All own members, hidden ones too, as text. */
function everything(value: unknown, depth = 0): string {
  if (typeof value !== "object" || value === null || depth > 6) return String(value);
  return Object.getOwnPropertyNames(value)
    .map((key) => `${key}=${everything((value as Record<string, unknown>)[key], depth + 1)}`)
    .join("\n");
}

export const errors = cases({
  async "an error keeps its name, message, code, stack and cause"(context) {
    const cause = await causeOf(context, () => {
      const inner = Object.assign(new SyntaxError("inner"), { code: "E_INNER" });
      return Object.assign(new PaymentDeclined("declined: ü", { cause: inner }), { code: "E_CARD" });
    });
    assert.deepEqual([cause.name, cause.message, cause.code], ["PaymentDeclined", "declined: ü", "E_CARD"]);
    assert.ok(cause instanceof Error && !(cause instanceof PaymentDeclined));
    assert.match(cause.stack ?? "", /errors\.[jt]s/);
    const inner = cause.cause as Error & { code?: string };
    assert.deepEqual([inner.name, inner.message, inner.code], ["SyntaxError", "inner", "E_INNER"]);
  },

  async "a listed class comes back"(context) {
    const cause = await causeOf(context, () => new PaymentDeclined("no"), [PaymentDeclined]);
    assert.ok(cause instanceof PaymentDeclined);
    assert.equal(cause.message, "no");
  },

  async "a thrown string is an Error with that message"(context) {
    const cause = await causeOf(context, () => "just text");
    assert.ok(cause instanceof Error);
    assert.equal(cause.message, "just text");
  },

  async "throw undefined is an Error too"(context) {
    const cause = await causeOf(context, () => undefined);
    assert.ok(cause instanceof Error);
    assert.match(cause.message, /undefined/);
  },

  async "an error that throws when it is read ends its task like any other, and no neighbour's"({
    task,
    consume,
    patienceMs,
    until,
  }) {
    const job = task({ rpc: true, maxRetries: 1, backoff: 0, deadLetter: true }, (kind: string) => {
      if (kind === "good") return kind;
      throw hostile[kind]?.();
    });
    await consume(job);
    const kinds = Object.keys(hostile);
    const handles = await job.pushMany([...kinds, "good"].map((kind): [string] => [kind]));
    const good = handles.pop();
    const ends = await Promise.all(handles.map((handle) => rejection(handle.waitResult({ timeout: patienceMs }))));
    assert.equal(await good?.waitResult({ timeout: patienceMs }), "good");
    for (const [i, kind] of kinds.entries()) {
      const { status, attempts, message } = ends[i] as unknown as TaskError;
      assert.deepEqual([kind, status, attempts], [kind, "dead", 2]);
      assert.match(message, said[kind] ?? /as usual/, kind);
    }
    await until("the dead letters are there", async () => (await job.deadLetters.count()) >= kinds.length);
    const reasons = (await job.deadLetters.list(100)).map(({ body }) => reasonOf(body));
    for (const kind of kinds)
      assert.ok(
        reasons.some((each) => (said[kind] ?? /as usual/).test(each)),
        kind,
      );
  },

  async "a thrown object keeps its message, name and code where these are texts"(context) {
    const cause = await causeOf(context, () => ({ message: "duplicate key", code: "23505" }));
    assert.ok(cause instanceof Error);
    assert.deepEqual([cause.name, cause.message, cause.code], ["Error", "duplicate key", "23505"]);
  },

  async "a thrown object without a message is told as short JSON"(context) {
    const cause = await causeOf(context, () => ({ status: 404, code: 7, path: "/a".repeat(5_000) }));
    assert.match(cause.message, /\{"status":404,"code":7,"path":"\/a/);
    assert.ok(cause.message.length < 500);
    assert.equal(cause.code, 7);
  },

  async "a listed class that sets no name comes back by its constructor's name"(context) {
    const cause = await causeOf(context, () => new CardExpired("in 2019"), [CardExpired]);
    assert.ok(cause instanceof CardExpired);
    assert.equal(cause.message, "in 2019");
  },

  async "what a waiter gets is readable as JSON"({ task, consume, patienceMs }) {
    const job = task({ rpc: true, maxRetries: 0 }, () => {
      const cause = Object.assign(new Error("inner"), { code: "E_INNER" });
      throw Object.assign(new RangeError("outer", { cause }), { code: "E_OUTER" });
    });
    await consume(job);
    const handle = await job.push();
    const thrown = JSON.parse(JSON.stringify(await rejection(handle.waitResult({ timeout: patienceMs }))));
    assert.deepEqual(
      [thrown.name, thrown.code, thrown.status, thrown.taskId],
      ["TaskError", "TASK", "failed", handle.id],
    );
    assert.match(thrown.message, /outer/);
    const { error } = JSON.parse(JSON.stringify(await handle.waitRecord({ timeout: patienceMs })));
    for (const each of [thrown.cause, error]) {
      assert.deepEqual([each.name, each.message, each.code], ["RangeError", "outer", "E_OUTER"]);
      assert.deepEqual([each.cause.name, each.cause.message, each.cause.code], ["Error", "inner", "E_INNER"]);
    }
  },

  async "a result that throws when it is read does not run the task again"({ task, consume, patienceMs, until }) {
    const runs: string[] = [];
    const results: Readonly<Record<string, () => unknown>> = {
      member: () => Object.defineProperty({}, "total", { enumerable: true, get: () => assert.fail("no total") }),
      toJSON: () => ({ toJSON: () => assert.fail("no JSON") }),
      proxy: () => ({ inside: revoked() }),
    };
    const job = task({ rpc: true, backoff: 0 }, (kind: string) => {
      runs.push(kind);
      return results[kind]?.();
    });
    await consume(job);
    const kinds = Object.keys(results);
    const handles = await job.pushMany(kinds.map((kind): [string] => [kind]));
    const ends = await Promise.allSettled(handles.map((handle) => handle.waitResult({ timeout: patienceMs })));
    for (const [i, end] of ends.entries())
      assert.deepEqual([kinds[i], end.status === "rejected" && end.reason.code], [kinds[i], "RESULT"]);
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.deepEqual(runs.sort(), kinds.sort());
  },

  async "an answer whose then throws is an error of its task"({ task, consume, patienceMs }) {
    const job = task({ rpc: true, maxRetries: 1, backoff: 0 }, () => throwing("then", {}));
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.deepEqual([error.status, error.attempts], ["failed", 2]);
    assert.match(error.message, /no then to read/);
  },

  async "what a task logs, tells and throws at its end cannot hold it, whatever it is"({ task, consume, patienceMs }) {
    const lines: string[] = [];
    const write = (_: object, text: string) => void lines.push(text);
    const logger = { debug: write, info: write, warn: write, error: write };
    const job = task(
      {
        rpc: true,
        maxRetries: 0,
        log: { logger, level: "info", summary: false },
        onRecord() {
          throw throwing("message");
        },
      },
      () => {
        for (const odd of [revoked(), throwing("message"), { odd: revoked() }, { error: throwing("stack") }])
          fct.logger.info(odd, "odd");
        throw new FatalError("over");
      },
    );
    await consume(job);
    const error = await rejection((await job.push()).waitResult({ timeout: patienceMs }));
    assert.deepEqual([error.status, lines.filter((each) => each === "odd").length], ["failed", 4]);
    assert.ok(lines.some((each) => each.startsWith("onRecord threw")));
  },

  async "a secret that an error holds does not travel"({ task, consume, patienceMs, until }) {
    const secret = "Bearer s3cr3t-t0ken";
    const job = task({ rpc: true, maxRetries: 0, deadLetter: true }, () => {
      const inner = Object.assign(new Error("inner"), { request: { headers: { Authorization: secret } } });
      throw Object.assign(new Error("401", { cause: inner }), {
        config: { headers: { Authorization: secret } },
        response: { token: secret },
      });
    });
    await consume(job);
    const handle = await job.push();
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.match(everything(error), /401/);
    assert.doesNotMatch(everything(error), /s3cr3t/);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    assert.doesNotMatch(everything(await job.deadLetters.list(5)), /s3cr3t/);
    assert.doesNotMatch(everything(await handle.record()), /s3cr3t/);
  },

  async "a result that is no JSON does not run the task again"({ task, consume, patienceMs }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0 }, () => {
      runs++;
      return { list: [1, new Map()] };
    });
    await consume(job);
    const handle = await job.push();
    const error = await rejection(handle.waitResult({ timeout: patienceMs }));
    assert.equal(error.name, ResultError.name);
    assert.match(String(error.path), /list.*1/);
    assert.deepEqual([runs, (await handle.record())?.status], [1, "done"]);
  },

  async "a result that refers to itself does not run the task again"({ task, consume, patienceMs, until }) {
    let runs = 0;
    const job = task({ rpc: true, backoff: 0 }, () => {
      runs++;
      const circle: Record<string, unknown> = {};
      circle.self = circle;
      return circle;
    });
    await consume(job);
    assert.equal((await rejection((await job.push()).waitResult({ timeout: patienceMs }))).code, "RESULT");
    await until("the queue is empty", async () => (await job.count()) === 0);
    assert.equal(runs, 1);
  },
});
