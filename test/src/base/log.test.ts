/** What reaches a logger: errors without what they carry besides their text; and that no logger can break the work. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FunboostError, isFunboostError } from "../../../src/base/errors.ts";
import { childLogger, createLogger, type Logger, type LogLine, taskLogger } from "../../../src/base/log.ts";
import { FatalError } from "../../../src/task/errors.ts";

let said: string[] = [];
beforeEach(() => {
  said = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
});
afterEach(() => vi.restoreAllMocks());

/** A logger that keeps what it gets, and throws or rejects when asked. */
function keeping(fail?: () => unknown) {
  const lines: { fields: Record<string, unknown>; text: string }[] = [];
  const write = (fields: object, text: string) => {
    lines.push({ fields: fields as Record<string, unknown>, text });
    return fail?.();
  };
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  return { lines, logger };
}

function httpError() {
  return Object.assign(new Error("GET http://ann:pw@host/ failed", { cause: new Error("redis://:pw@cache is down") }), {
    code: "ECONNRESET",
    config: { headers: { Authorization: "Bearer secret" } },
  });
}

describe("a task's logger", () => {
  it("takes a text or an error alone, and fields with a text", () => {
    const { lines, logger } = keeping();
    const log = taskLogger(childLogger(createLogger({ logger }), { taskId: "t" }));
    log.info("started");
    log.error(new Error("no"));
    log.warn({ n: 1 }, "few");
    expect(lines.map(({ text }) => text)).toEqual(["started", "no", "few"]);
    expect(lines.map(({ fields }) => Object.keys(fields))).toEqual([["taskId"], ["taskId", "error"], ["taskId", "n"]]);
    taskLogger(createLogger()).info("alone");
    expect(said.join("")).toMatch(/ info alone\n$/);
  });
});

describe("a logger that fails", () => {
  it("is told once on stderr, and its lines go on", () => {
    const { lines, logger } = keeping(() => {
      throw new Error("disk full at redis://u:pw@host");
    });
    const log = createLogger({ logger });
    log.info({}, "one");
    childLogger(createLogger({ logger }), { taskId: "t" }).error({}, "two");
    expect(lines.map(({ text }) => text)).toEqual(["one", "two"]);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/warn the logger failed.*disk full at redis:\/\/\*\*\*@host/s);
  });

  it("by a rejected promise, is no unhandled rejection", async () => {
    const { logger } = keeping(() => Promise.reject("no network"));
    createLogger({ logger }).info({}, "one");
    await new Promise(setImmediate);
    expect(said).toEqual([expect.stringMatching(/the logger failed.*no network/s)]);
  });

  it("is silent when stderr fails too", () => {
    vi.mocked(process.stderr.write).mockImplementation(() => {
      throw new Error("EPIPE");
    });
    expect(() => createLogger().error({}, "one")).not.toThrow();
    const { logger } = keeping(() => {
      throw new Error("disk full");
    });
    expect(() => createLogger({ logger }).error({}, "one")).not.toThrow();
  });

  it("does not end the process when stderr is a closed pipe", async () => {
    const closed = new Error("write EPIPE");
    vi.mocked(process.stderr.write).mockImplementation((_text, callback?: unknown) => {
      // As streams do: first the callback, then an event that nobody else listens to.
      (callback as ((error: Error) => void) | undefined)?.(closed);
      process.nextTick(() => process.stderr.emit("error", closed));
      return false;
    });
    createLogger().error({}, "one");
    createLogger().error({}, "two");
    await new Promise(setImmediate);
    expect(process.stderr.write).toHaveBeenCalledTimes(2);
    expect(process.stderr.listenerCount("error")).toBe(1);
    process.stderr.removeAllListeners("error");
  });
});

describe("lines on stderr", () => {
  const line = (fields: object) => {
    createLogger().info(fields, "text");
    return said.join("");
  };

  it.each([
    ["a bigint", 9007199254740993n, "value=9007199254740993"],
    ["a bigint inside", { id: 9007199254740993n }, 'value={"id":9007199254740993}'],
    ["undefined", undefined, "value=undefined"],
    ["a function", function f() {}, "value=function f"],
    ["a text with userinfo", "redis://u:pw@host", "value=redis://***@host"],
    ["an object with userinfo", { url: "redis://u:pw@host" }, 'value={"url":"redis://***@host"}'],
  ])("%s", (_, value, text) => {
    expect(line({ value })).toContain(`text ${text}\n`);
  });

  it("a cycle, a throwing getter and a throwing toJSON as a short text", () => {
    const cycle: { self?: unknown; id: bigint } = { id: 1n };
    cycle.self = cycle;
    const fail = () => {
      throw new Error("no");
    };
    const getter = Object.defineProperty({}, "x", { get: fail, enumerable: true });
    const text = line({ cycle, getter, list: [{ toJSON: fail }], after: 1 });
    expect(text).toContain("cycle=an object getter=an object list=an array of 1 after=1\n");
  });

  it("an error whose stack is no text", () => {
    const error = Object.defineProperty(new TypeError("bad"), "stack", { value: [{ file: "a.js" }] });
    expect(line({ error })).toContain("error=TypeError: bad\n");
  });

  it("an error that cannot be read", () => {
    const error = Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("no");
      },
    });
    expect(line({ error })).toContain("error=Error: its message cannot be read: no\n");
  });
});

describe("a filter", () => {
  it("decides by level, text, queue, task and fields which lines are written", () => {
    const { lines, logger } = keeping();
    const seen: LogLine[] = [];
    const log = createLogger({
      logger,
      filter(line) {
        seen.push(line);
        return line.queue !== "noisy" || line.level === "error";
      },
    });
    log.debug({ queue: "noisy" }, "below the level");
    childLogger(log, { queue: "noisy", taskId: "t" }).info({ attempt: 2 }, "one");
    log.error({ queue: "noisy" }, "two");
    log.info({}, "three");
    log.warn(httpError(), "four");
    expect(lines.map(({ text }) => text)).toEqual(["two", "three", "four"]);
    expect(seen[0]).toEqual({
      level: "info",
      text: "one",
      queue: "noisy",
      taskId: "t",
      fields: { queue: "noisy", taskId: "t", attempt: 2 },
    });
    expect(seen[2]).toEqual({ level: "info", text: "three", fields: {} });
    expect(seen[3]?.fields.error).toBeInstanceOf(Error);
  });

  it("that throws lets the line pass", () => {
    const { lines, logger } = keeping();
    const log = createLogger({
      logger,
      filter() {
        throw new Error("no");
      },
    });
    log.info({}, "one");
    expect(lines.map(({ text }) => text)).toEqual(["one"]);
  });
});

describe("a logger of the user's own", () => {
  const passed = (fields: object, stacks = true) => {
    const { lines, logger } = keeping();
    createLogger({ logger, stacks }).error(fields, "failed");
    return lines[0]?.fields as Record<string, Error & { code?: string }>;
  };

  it("gets name, message, stack, code and cause of an error, masked, and nothing else", () => {
    const { error, reason } = passed({ error: httpError(), reason: httpError(), n: 1 });
    for (const each of [error, reason]) {
      expect(each).toBeInstanceOf(Error);
      expect(each).toMatchObject({ name: "Error", message: "GET http://***@host/ failed", code: "ECONNRESET" });
      expect(each?.stack).toMatch(/^Error: GET http:\/\/\*\*\*@host\/ failed\n.*log\.test\.ts/s);
      expect(each?.cause).toMatchObject({ message: "redis://***@cache is down" });
      expect(Object.getOwnPropertyNames(each).sort()).toEqual(["cause", "code", "message", "name", "stack", "toJSON"]);
    }
  });

  it("gets no newline and no escape sequence in a text or in an error's message, and a stack whose lines are indented", () => {
    const { lines, logger } = keeping();
    const forged = "x\n2026-01-01T00:00:00.000Z error forged \u001b[2J";
    createLogger({ logger }).warn({ error: new Error(forged), id: forged }, `task ${forged} failed`);
    const { fields, text } = lines[0] as (typeof lines)[0];
    expect(text).toBe("task x\\n2026-01-01T00:00:00.000Z error forged \\u001b[2J failed");
    expect((fields.error as Error).message).toBe("x\\n2026-01-01T00:00:00.000Z error forged \\u001b[2J");
    expect((fields.error as Error).stack?.split("\n").slice(1)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^ {4}at .*log\.test\.ts/)]),
    );
    expect(fields.id).toBe(forged); // a field is data: whoever writes it encodes it
  });

  it("of ours is one line for one line, whatever stands in fields, their names and errors", () => {
    const forged = "x\n2026-01-01T00:00:00.000Z error forged \u001b[2J";
    createLogger().warn({ [forged]: forged, args: { forged: `${forged}\u0085` }, error: new Error(forged) }, forged);
    const atMargin = said
      .join("")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("    "));
    expect(atMargin).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
    expect(said.join("").replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  it("gets our errors in their class", () => {
    const { error } = passed({
      error: Object.assign(new FatalError("over", { cause: httpError() }), { config: { token: "secret" } }),
    });
    expect(error).toBeInstanceOf(FatalError);
    expect(isFunboostError(error)).toBe(true);
    expect(error).toMatchObject({ name: "FatalError", code: "FATAL", message: "over" });
    expect(error).not.toHaveProperty("config");
    expect(error?.cause).not.toHaveProperty("config");
    expect(passed({ error: new FunboostError("STORE", "x") }).error).toMatchObject({
      name: "FunboostError",
      code: "STORE",
    });
  });

  it("gets a text instead with stacks: false, in every field", () => {
    expect(passed({ error: httpError(), reason: httpError() }, false)).toEqual({
      error: "Error: GET http://***@host/ failed",
      reason: "Error: GET http://***@host/ failed",
    });
  });

  it("gets fields without errors untouched", () => {
    const fields = { when: new Date(), list: [{ a: 1 }] };
    expect(passed(fields)).toBe(fields);
  });

  it("through a task's logger too, where the error may be all there is", () => {
    const { lines, logger } = keeping();
    const log = childLogger(createLogger({ logger }), { taskId: "t" });
    const job = { id: 1 };
    log.error({ error: httpError(), job }, "failed");
    log.error(httpError(), "failed");
    for (const { fields } of lines) {
      expect(fields).toMatchObject({ taskId: "t", error: { code: "ECONNRESET" } });
      expect(fields.error).not.toHaveProperty("config");
      expect(fields).not.toHaveProperty("config");
    }
    expect(lines[0]?.fields.job).toBe(job);
  });

  it("never breaks a task by a field that cannot be read", () => {
    const { lines, logger } = keeping();
    const fields = Object.defineProperty({}, "x", {
      get() {
        throw new Error("no");
      },
      enumerable: true,
    });
    childLogger(createLogger({ logger }), { taskId: "t" }).info(fields, "text");
    expect(lines).toEqual([{ fields: { taskId: "t" }, text: "text" }]);
    expect(() => createLogger({ logger }).info(fields, "text")).not.toThrow();
  });
});
