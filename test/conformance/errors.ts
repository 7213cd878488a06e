/** Errors: what a waiter learns of a run that went wrong, wherever it ran. */
import assert from "node:assert/strict";
import { ResultError, type TaskError } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { rejection } from "./until.ts";

class PaymentDeclined extends Error {
  override readonly name = "PaymentDeclined";
}

/** What waiters get from a task that throws `thrown`. */
async function causeOf(
  { task, consume, patienceMs }: Context,
  thrown: () => unknown,
  errors: (typeof PaymentDeclined)[] = [],
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
