/** Agenda's MongoDB backend: how it is connected, and the commands for what its repository has not. */

import type { MongoBackend } from "@agendajs/mongo-backend";
import type { AgendaBackend } from "agenda";
import { clock } from "../../src/base/clock.ts";
import { FunboostError, isFunboostError, maskSecrets } from "../../src/base/errors.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { answering, answerTimeoutMs } from "./mongo-answers.ts";
import { agendaCommands, type Repository } from "./mongo-commands.ts";
import { type AgendaLink, withoutSecrets } from "./table.ts";

const defaultUrl = "mongodb://127.0.0.1:27017/agenda";
const selectionTimeoutMs = 4_000;
/** The driver's monitors keep a process alive, and cannot be told not to: the connection is closed when nobody has used it for this long. */
const idleMs = 1_500;
const traits = { lookahead: 10, loadsOneByOne: false, keepsFailed: true } as const;

export async function connectMongo(url: string | undefined, collection: string | undefined): Promise<AgendaLink> {
  const { MongoBackend: Backend } = await load();
  const address = url || defaultUrl;
  const timeouts = {
    serverSelectionTimeoutMS: selectionTimeoutMs,
    connectTimeoutMS: selectionTimeoutMs,
    socketTimeoutMS: answerTimeoutMs,
  };
  const options = { ...timeouts, maxIdleTimeMS: 60_000 };
  const backend = new Backend({ address, options, ...(collection === undefined ? {} : { collection }) });
  const connection = whileUsed(
    () => backend.connect(),
    () => backend.disconnect(),
  );
  const explain = explainer(mongoAddress(url));
  const call = <T>(work: () => Promise<T>) =>
    connection.use(work).catch((error: unknown) => Promise.reject(explain(error)));
  await call(async () => {});
  return {
    engine: "MongoDB",
    backend: inTime(backend),
    ...traits,
    table: agendaCommands(backend),
    call,
    close: connection.close,
  };
}

/** Takes a backend of the user's, which is never closed. */
export async function adoptMongo(backend: AgendaBackend): Promise<AgendaLink> {
  const explain = explainer("the given backend");
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(explain(error)));
  if (!(backend.repository as Repository).collection) await call(() => backend.connect()); // a second time would leave the first connection open
  return {
    engine: "MongoDB",
    backend: inTime(backend),
    ...traits,
    table: agendaCommands(backend),
    call,
    close: async () => {},
  };
}

/** Its own repository's calls answer in time too. */
function inTime(backend: AgendaBackend): AgendaBackend {
  return new Proxy(backend, {
    get: (own, name) => (name === "repository" ? answering(own.repository) : Reflect.get(own, name, own)),
  });
}

export function isMongo(backend: AgendaBackend): boolean {
  return typeof (backend.repository as Repository).getDb === "function";
}

async function load(): Promise<{ readonly MongoBackend: typeof MongoBackend }> {
  try {
    return await import("@agendajs/mongo-backend");
  } catch (cause) {
    throw missingPeer("agenda", "@agendajs/mongo-backend", cause);
  }
}

/** Connects at the first use, and again after an idle time. */
function whileUsed(connect: () => Promise<void>, disconnect: () => Promise<void>) {
  let connected: Promise<void> | undefined;
  let ending: Promise<void> = Promise.resolve();
  let users = 0;
  let cancel = () => {};
  const end = () => {
    const ended = connected;
    connected = undefined;
    if (ended) ending = ended.then(disconnect, disconnect).catch(() => {});
    return ending;
  };
  return {
    async use<T>(work: () => Promise<T>): Promise<T> {
      users += 1;
      cancel();
      try {
        await ending;
        connected ??= connect();
        await connected.catch((error) => {
          connected = undefined;
          throw error;
        });
        return await work();
      } finally {
        users -= 1;
        if (users === 0) cancel = clock.after(idleMs, () => void end(), { unref: true });
      }
    },
    close() {
      cancel();
      return end();
    },
  };
}

/** Unauthorized, authentication failed, unknown mechanism, too old a server. */
const refusedCodes = new Set([13, 18, 8000, 334]);

function explainer(address: string) {
  return (error: unknown): Error => {
    if (isFunboostError(error)) return error;
    const {
      code,
      name = "",
      message = String(error),
    } = error as { code?: number | string; name?: string; message?: string };
    const text = maskSecrets(message);
    const cause = Object.assign(new Error(text), { name });
    if (
      refusedCodes.has(code as number) ||
      /Authentication|ParseError|InvalidArgument|CompatibilityError|certificate|self-signed/i.test(`${name} ${text}`)
    ) {
      const advice = "Check user, password, authSource and the server's version (4.2 or later)";
      return new FunboostError("BROKER_REFUSED", `MongoDB at ${address} refuses: ${text}. ${advice}.`, {
        where: "agenda",
        cause,
      });
    }
    if (
      /Mongo(Network|ServerSelection|NotConnected|Topology|Pool|WaitQueue|ExpiredSession|ClientClosed|NotPrimary)|ECONN|ETIMEDOUT|EPIPE/i.test(
        `${name} ${text}`,
      )
    ) {
      return new FunboostError(
        "BROKER_DOWN",
        `MongoDB at ${address} cannot be used now: ${text}. Is it up, and is the address right?`,
        {
          where: "agenda",
          cause,
        },
      );
    }
    return error instanceof Error ? error : cause;
  };
}

export function mongoAddress(url: string | undefined): string {
  return withoutSecrets(url || defaultUrl);
}
