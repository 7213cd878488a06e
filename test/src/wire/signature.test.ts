/** Signatures: names read from sources as bundlers and engines write them, and refusals with advice. */
// biome-ignore-all lint/complexity/useArrowFunction: each form of a function is a case
import { describe, expect, test, vi } from "vitest";
import { readSignature } from "../../../src/wire/signature.ts";

type AnyFunction = (...args: never[]) => unknown;
const make = (source: string): AnyFunction => new Function(`return ${source}`)();
const positional = (names: string[], rest = false) => ({ kind: "positional", names, rest, required: 0 });
const object = (required: number) => ({ kind: "object", names: [], rest: false, required });

class Mailer {
  #sent = 0;
  static shout(to: string, _text: string) {
    return to;
  }
  send(to: string, subject = "none") {
    return [to, subject, new Mailer().#sent++];
  }
  async #hide(to: string) {
    return to;
  }
  get hidden() {
    return this.#hide;
  }
  async "odd name"(a: number) {
    return a;
  }
}

describe("positional", () => {
  const key = "computed";
  const methods = {
    plain(a: number, b: number) {
      return a + b;
    },
    async later(a: number) {
      return a;
    },
    [key](a: number) {
      return a;
    },
    arrow: (a: number) => a,
    get(a: number) {
      return a;
    },
  };
  test.each<[string, AnyFunction, string[], boolean?]>([
    ["a function", (file: string, height: number) => file + height, ["file", "height"]],
    ["an arrow", (file: string) => file, ["file"]],
    ["an arrow without parentheses", make("a => a"), ["a"]],
    ["an async arrow", make("async a => a"), ["a"]],
    [
      "an async function",
      async function named(a: number, b: number) {
        return a + b;
      },
      ["a", "b"],
    ],
    ["no parameters", () => 1, []],
    ["defaults", (a: number, b = "x, (y) => {", c = [1, { d: 2 }]) => [a, b, c], ["a", "b", "c"]],
    ["a rest parameter", (a: number, ...more: number[]) => [a, more], ["a", "more"], true],
    ["only a rest parameter", (...all: number[]) => all, ["all"], true],
    ["a method", methods.plain, ["a", "b"]],
    ["an async method", methods.later, ["a"]],
    ["a computed method", methods[key], ["a"]],
    ["an arrow member", methods.arrow, ["a"]],
    ["a method called get", methods.get, ["a"]],
    ["a static method", Mailer.shout, ["to", "_text"]],
    ["a method that uses a private field", Mailer.prototype.send, ["to", "subject"]],
    ["a private method", new Mailer().hidden, ["to"]],
    ["a method with a quoted name", Mailer.prototype["odd name"], ["a"]],
    ["comments", make("function /* a */ (a /* , b */, // c\n d) {}"), ["a", "d"]],
    ["minified", make("function(r,n,t){return r+n+t}"), ["r", "n", "t"]],
    ["unicode and $", make("(größe, $a, _b) => 1"), ["größe", "$a", "_b"]],
    ["super", make("({ f(a) { return super.f(a); } }).f"), ["a"]],
    ["a sloppy script", make("function (a) { with (a) { return 010; } }"), ["a"]],
    ["import.meta and await", make("async function (a) { await a; return 1n ?? a?.b; }"), ["a"]],
    ["arguments beside parameters", make("function (a) { return arguments.length + a; }"), ["a"]],
    ["arguments of an inner function", make("function () { return function () { return arguments; }; }"), []],
    ["a member called arguments", make("function () { const x = { arguments: 1 }; return x.arguments; }"), []],
  ])("%s", (_, fn, names, rest) => {
    expect(readSignature(fn)).toEqual(positional(names, rest));
  });
});

describe("object", () => {
  const withDefault = ({ file = "x" } = {}) => file;
  test.each<[string, AnyFunction, number]>([
    ["a destructured parameter", ({ file }: { file: string }) => file, 1],
    ["with a default", withDefault, 0],
    [
      "an async method",
      {
        async f({ a, ...more }: { a: number }) {
          return [a, more];
        },
      }.f,
      1,
    ],
  ])("%s", (_, fn, required) => {
    expect(readSignature(fn)).toEqual(object(required));
  });

  test('params: "object"', () => {
    expect(readSignature((job: object) => job, "object")).toEqual(object(1));
    expect(readSignature((job: object = {}) => job, "object")).toEqual(object(0));
    expect(readSignature(Math.abs.bind(null), "object")).toEqual(object(1));
  });
});

describe("named", () => {
  const two = (a: number, b: number) => a + b;
  test.each<[string, AnyFunction, string[], object]>([
    ["names are the contract", two, ["file", "height"], { names: ["file", "height"], rest: false, required: 2 }],
    [
      "a question mark: may be missing",
      two,
      ["file", "height?"],
      { names: ["file", "height"], rest: false, required: 1 },
    ],
    [
      "a default: may be missing",
      (a: number, b = 2, c = 3) => a + b + c,
      ["x", "y", "z"],
      { names: ["x", "y", "z"], rest: false, required: 1 },
    ],
    ["a default may stay unnamed", (a: number, b = 2) => a + b, ["x"], { names: ["x"], rest: false, required: 1 }],
    [
      "a rest name",
      (a: number, ...more: number[]) => [a, more],
      ["first", "...others"],
      { names: ["first", "others"], rest: true, required: 1 },
    ],
    [
      "several names into a rest parameter",
      (...all: unknown[]) => all,
      ["a", "b"],
      { names: ["a", "b"], rest: false, required: 2 },
    ],
    ["no names", () => 1, [], { names: [], rest: false, required: 0 }],
    ["a bound function", two.bind(null), ["a", "b"], { names: ["a", "b"], rest: false, required: 2 }],
    ["a native function", Math.max, ["a", "b"], { names: ["a", "b"], rest: false, required: 2 }],
    ["arguments", make("function () { return arguments[0]; }"), ["a"], { names: ["a"], rest: false, required: 1 }],
    [
      "destructured among several",
      ({ a }: { a: number }, b: number) => a + b,
      ["options", "b"],
      { names: ["options", "b"], rest: false, required: 2 },
    ],
  ])("%s", (_, fn, params, expected) => {
    expect(readSignature(fn, params)).toEqual({ kind: "named", ...expected });
  });
});

describe("names in another order", () => {
  const advice =
    'Use one order: in the function, or, where nothing else publishes to this queue, in "params" on both sides.';
  test.each<[string, AnyFunction, string[], string]>([
    [
      "two",
      make("async function send(subject, to) { return [subject, to]; }"),
      ["to", "subject"],
      '"params" is (to, subject), and the function takes (subject, to): ' +
        'what is sent as "to" would arrive in the parameter called "subject".',
    ],
    [
      "marks and a default",
      make("function send(to, cc, by = 1, ...at) {}"),
      ["to", "by?", "cc?", "...at"],
      '"params" is (to, by?, cc?, ...at), and the function takes (to, cc, by, ...at): ' +
        'what is sent as "by" would arrive in the parameter called "cc".',
    ],
  ])("%s: refused", (_, fn, params, reason) => {
    const message = `[funboost] [mail] function "send" cannot be a task: ${reason} ${advice}`;
    expect(() => readSignature(fn, params, "mail")).toThrow(message);
  });
  test.each<[string, AnyFunction, string[]]>([
    ["the same order", make("(to, subject) => 1"), ["to", "subject"]],
    ["other names: a bundler may have made them", make("(r, n) => 1"), ["to", "subject"]],
    ["some other names", make("(subject, t) => 1"), ["to", "subject"]],
    ["names of one letter: a minifier makes (o, s) of (s, o)", make("(o, s) => 1"), ["s", "o"]],
    ["one name of one letter", make("(id, n) => 1"), ["n", "id"]],
    ["a wrapper that only collects", make("(...to) => 1"), ["to", "subject"]],
    ["a destructured one", make("({ to }, subject) => 1"), ["subject", "to"]],
  ])("%s: taken", (_, fn, params) => {
    expect(readSignature(fn, params).names).toEqual(params);
  });
});

describe("`this`", () => {
  const refusal =
    "it uses `this`, which no run has: it may be in another process. Wrap it in an arrow function: " +
    "(file) => service.work(file).";
  test.each<[string, string, ("object" | string[])?]>([
    ["of a function", "function f(a) { return this.b + a; }"],
    ["of a method", "(class { static f(a) { return this.b; } }).f"],
    ["of an async function", "async function f(a) { await this.send(a); }", ["a"]],
    ["in an arrow function inside", "function f(a) { return [a].map(() => this.b); }"],
    ["in a default", "function f(a = this.b) { return a; }"],
    ["of a function that takes one object", "function f({ a }) { return this[a]; }"],
    ['with params: "object"', "function f(job) { return this.send(job); }", "object"],
    ["in what a class inside is made of", "function f(a) { return class extends this.Base { [this.name]() {} }; }"],
    ["in an object", "function f(a) { return register({ owner: this }, a); }"],
    ["where a comment says new.target", "function f(a) { /* new.target */ return this.b + a; }"],
    ["where a text says new.target", 'function f(a) { return this.b + "new.target" + a; }'],
    ["where a function inside asks", "function f(a) { return [function () { return new.target; }, this.b, a]; }"],
    ["where it is asked for first", "function f(a) { return this && this.b; }"],
    [
      "of an async function for an older target",
      "function f(a) { return __awaiter(this, void 0, void 0, function* () { yield this.send(a); }); }",
    ],
  ])("%s is refused", (_, source, params) => {
    expect(() => readSignature(make(source) as never, params)).toThrow(refusal);
  });

  test.each([
    ["of an arrow function", "(a) => this"],
    ["of a function inside", "function f(a) { return function () { return this; }; }"],
    ["of a declared function inside", "function f(a) { function g() { return this; } return g; }"],
    ["of a class inside", "function f(a) { return class { b = this; static { this.c = 1; } d() { return this; } }; }"],
    ["of an object's method inside", "function f(a) { return { b() { return this; } }; }"],
    ["handed on by a compiler", "function f(a) { return __awaiter(this, void 0, void 0, function* () { yield a; }); }"],
    ["handed on by a wrapper", "function f(a) { return g.apply(this, arguments); }"],
    ["handed on by a mock", "function f(a) { note(this); return g.call(this, a); }"],
    ["that is a member", "function f(a) { return a.this; }"],
    ["of what asks how it was called", "function f(a) { return new.target ? 1 : this; }"],
    ["of what asks in an arrow function", "function f(a) { return (() => new.target)() ? 1 : this; }"],
    ["of what does without", "function f(a) { const all = this || globalThis; return all.b ?? a; }"],
  ])("%s is not the function's", (_, source) => {
    expect(readSignature(make(source) as never).names).toEqual(["a"]);
  });
});

test("a mock may be a task", () => {
  expect(readSignature(vi.fn(async (_: string) => 1))).toMatchObject({ rest: true });
});

describe("refused with advice", () => {
  const names =
    'Give the names: boost({ params: ["file", "height"] }, fn), or take one object: boost({ params: "object" }, fn)';
  const two = function pair(a: number, b: number) {
    return a + b;
  };
  test.each<[string, unknown, readonly string[] | "object" | undefined, string]>([
    ["no function", 5, undefined, "the function cannot be a task: the task is 5, not a function."],
    [
      "native",
      Math.max,
      undefined,
      'function "max" cannot be a task: it is native or bound, so its parameters cannot be read. ' +
        `${names}, or wrap it: (file) => fn(file).`,
    ],
    ["bound", two.bind(null), undefined, 'function "bound pair" cannot be a task: it is native or bound'],
    [
      "unparsable",
      Object.assign(() => 1, { toString: () => "" }) && getter(),
      undefined,
      `its source cannot be read. ${names}.`,
    ],
    [
      "destructured among several",
      ({ a }: { a: number }, b: number) => a + b,
      undefined,
      'parameter 1 is destructured. Give it a name and take it apart inside, or declare params: ["options"',
    ],
    ["a destructured list", ([a]: number[]) => a, undefined, "parameter 1 is destructured."],
    ["a destructured rest", (...[a]: number[]) => a, undefined, "parameter 1 is destructured."],
    [
      "a parameter called extra",
      (extra: string) => extra,
      undefined,
      `a parameter is called "extra", which is funboost's own member of a message. Rename it.`,
    ],
    ["a member called extra", ({ extra }: { extra: string }) => extra, undefined, 'its parameter has a member "extra"'],
    [
      "a parameter called __proto__",
      make("(__proto__) => 1"),
      undefined,
      'a parameter is called "__proto__", which is not safe in a message. Rename it.',
    ],
    [
      "arguments",
      make("function () { return arguments[0]; }"),
      undefined,
      "it reads `arguments`, which have no names. Use a rest parameter: (...items).",
    ],
    [
      "arguments in an inner arrow",
      make("function () { return () => arguments[0]; }"),
      undefined,
      "it reads `arguments`",
    ],
    [
      "a generator",
      function* () {
        yield 1;
      },
      undefined,
      "it is a generator: calling it would run nothing. Use a plain or an async function.",
    ],
    [
      "an async generator",
      async function* () {
        yield 1;
      },
      ["a"],
      "it is a generator",
    ],
    [
      "a class",
      Mailer,
      undefined,
      'function "Mailer" cannot be a task: it is a class. Use a function that makes and uses an instance.',
    ],
    [
      'params: "object" for two',
      two,
      "object",
      'function "pair" cannot be a task: it takes 2 parameters, and params: "object" gives it one.',
    ],
    ["params is a text", two, "a,b" as never, '"params" is "a,b". Allowed: a list of names, or "object".'],
    ["too few names", two, ["a"], '"params" has 1 name, and the function takes 2. Name each of its parameters.'],
    [
      "too many names",
      two,
      ["a", "b", "c"],
      '"params" has 3 names, and the function takes 2. Name only its parameters.',
    ],
    [
      "a rest name without a rest parameter",
      two,
      ["a", "b", "...c"],
      '"params" ends in a rest name, and the function has no rest parameter.',
    ],
    [
      "an early rest name",
      two,
      ["...a", "b"],
      '"params" has "...a" before its end. Only the last name can collect the rest.',
    ],
    [
      "an empty name",
      two,
      ["a", ""],
      '"params" has "". Allowed: names such as "file", "file?" (may be missing) and, last, "...files".',
    ],
    ["no identifier", two, ["a", "b c"], '"params" has "b c".'],
    ["the same name twice", two, ["a", "a"], 'two parameters are called "a". Rename one.'],
    ["extra among names", two, ["a", "extra"], 'a parameter is called "extra"'],
    [
      "needed after optional",
      two,
      ["a?", "b"],
      '"params" has "b" after the optional "a?". Mark it "b?" or put it first.',
    ],
  ])("%s", (_, fn, params, message) => {
    expect(() => readSignature(fn as AnyFunction, params, "emails")).toThrow(message);
    expect(() => readSignature(fn as AnyFunction, params, "emails")).toThrow(/^\[funboost\] \[emails\] /);
    expect(() => readSignature(fn as AnyFunction, params, "emails")).toThrow(
      expect.objectContaining({ code: "BAD_OPTION" }),
    );
  });

  function getter(): unknown {
    return Object.getOwnPropertyDescriptor(Mailer.prototype, "hidden")?.get;
  }
});
