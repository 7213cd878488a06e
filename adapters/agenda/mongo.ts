/** Agenda's MongoDB backend: how it is connected, and its errors in our words. */

import type { MongoBackend } from "@agendajs/mongo-backend";
import type { AgendaBackend } from "agenda";
import { clock } from "../../src/base/clock.ts";
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";
import { maskSecrets } from "../../src/base/mask-secrets.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { withoutSecrets } from "../shared/urls.ts";
import { answerInTime, answerTimeoutMs } from "./answer-in-time.ts";
import type { AgendaLink } from "./link.ts";
import { createMongoTable, type Repository } from "./mongo-table.ts";

const defaultUrl = "mongodb://127.0.0.1:27017/agenda";
const selectionTimeoutMs = 4_000;
/** The driver's monitors keep a process alive, whatever it is told: the connection is closed after an idle time. */
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
  const connection = createConnection(
    () => backend.connect(),
    () => backend.disconnect(),
  );
  const explain = createExplain(mongoAddress(url));
  const call = <T>(work: () => Promise<T>) =>
    connection.use(work).catch((error: unknown) => Promise.reject(explain(error)));
  await call(async () => {});
  return {
    engine: "MongoDB",
    backend: inTime(backend),
    ...traits,
    table: createMongoTable(backend),
    call,
    close: connection.close,
  };
}

/** Takes a backend of the user's, which is never closed. */
export async function adoptMongo(backend: AgendaBackend): Promise<AgendaLink> {
  const explain = createExplain("the given backend");
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(explain(error)));
  // A second time would leave the first connection open.
  if (!(backend.repository as Repository).collection) await call(() => backend.connect());
  return {
    engine: "MongoDB",
    backend: inTime(backend),
    ...traits,
    table: createMongoTable(backend),
    call,
    close: async () => {},
  };
}

/** Its own repository's calls answer in time too. */
function inTime(backend: AgendaBackend): AgendaBackend {
  return new Proxy(backend, {
    get: (own, name) => (name === "repository" ? answerInTime(own.repository) : Reflect.get(own, name, own)),
  });
}

export function isMongo(backend: AgendaBackend): boolean {
  return typeof (backend.repository as Repository).getDb === "function";
}

async function load(): Promise<{ readonly MongoBackend: typeof MongoBackend }> {
  try {
    return usePeer("agenda", "@agendajs/mongo-backend", await import("@agendajs/mongo-backend"), "MongoBackend");
  } catch (cause) {
    throw missingPeer("agenda", "@agendajs/mongo-backend", cause);
  }
}

/** Connects at the first use, and again after an idle time. */
function createConnection(connect: () => Promise<void>, disconnect: () => Promise<void>) {
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
const refusals = /Authentication|ParseError|InvalidArgument|CompatibilityError|certificate|self-signed/i;
const outages = new RegExp(
  [
    "Mongo(Network|ServerSelection|NotConnected|Topology|Pool|WaitQueue|ExpiredSession|ClientClosed|NotPrimary)",
    "ECONN|ETIMEDOUT|EPIPE",
  ].join("|"),
  "i",
);

function createExplain(address: string) {
  return (error: unknown): Error => {
    if (isFunboostError(error)) return error;
    const {
      code,
      name = "",
      message = String(error),
    } = error as { code?: number | string; name?: string; message?: string };
    const text = maskSecrets(message);
    const cause = Object.assign(new Error(text), { name });
    if (refusedCodes.has(code as number) || refusals.test(`${name} ${text}`)) {
      const advice = "Check user, password, authSource and the server's version (4.2 or later)";
      return new FunboostError("BROKER_REFUSED", `MongoDB at ${address} refuses: ${text}. ${advice}.`, {
        where: "agenda",
        cause,
      });
    }
    if (outages.test(`${name} ${text}`)) {
      const why = `MongoDB at ${address} cannot be used now: ${text}. Is it up, and is the address right?`;
      return new FunboostError("BROKER_DOWN", why, { where: "agenda", cause });
    }
    return error instanceof Error ? error : cause;
  };
}

export function mongoAddress(url: string | undefined): string {
  return withoutSecrets(url || defaultUrl);
}
