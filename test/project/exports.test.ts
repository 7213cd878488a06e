/** What users can import, name by name. A name that goes, comes or changes its entry is a change of the public API: it is made here on purpose. */
import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { code, filesUnder, read } from "../support/sources.ts";

const names = (text: string) => text.trim().split(/\s+/).filter(Boolean).sort();

/** All that a module exports, types included; what it exports again from others too. */
function exportsOf(file: string): string[] {
  const text = code(file);
  const own = [
    ...text.matchAll(/^export (?:declare )?(?:async )?(?:const|let|function\*?|class|interface|type) ([\w$]+)/gm),
  ].map(([, name]) => name as string);
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) =>
    (list as string)
      .split(",")
      .map((each) =>
        each
          .trim()
          .replace(/^type /, "")
          .replace(/^.* as /, ""),
      )
      .filter(Boolean),
  );
  const others = [...text.matchAll(/^export (?:type )?\* from "([^"]+)"/gm)].flatMap(([, from]) =>
    exportsOf(posix.join(posix.dirname(file), from as string)),
  );
  return [...new Set([...own, ...lists, ...others])].sort();
}

const core = names(`
  ArgsOf Boostable CheckedName FunctionFor InputOf MadeOf NoTask OutputOf ParametersOf Refused ResultOf Sent
  AdoptFunction AdoptHandler AdoptParams Adopted AllConsuming Backoff BackoffFunction BrokerChoice BrokerName Brokers Completed ConcurrencyPool Configuration ConsumeOptions ConsumerStatus DeadLetterError DeadLetters DefinitionParams Duration ErrorClass ErrorCode
  FatalError FilterParams FinalStatus FunboostError Handle JobFacts LockOptions LogLevel LogLine LogOptions LostRecord Logger Middleware OnRecord Outgoing
  PublishError PublishItem PublishMiddleware PublishOptions PublisherParams Publishing Qps QpsLimit QueueInfo RecordParams RecordsQuery RequeueError
  ResultError RetryError Schema StatsPoint StatsQuery Support Task TaskConsumer TaskContext TaskDefinition TaskError TaskEvents TaskKind TaskListener TaskLogger TaskMembers TaskParams TaskRecord
  TaskRow TimeoutError TraceHooks WaitIdleOptions WaitOptions WaitTimeoutError adopt asCompleted boost brokerName checkTasks concurrencyPool configure
  InspectOptions Inspection QueueInspection RepairOptions RepairedRepeats Repeat inspectQueue repairRepeats
  consumeAll defineTask fct getOrCreate getTask isFunboostError publisher queues registerBroker shutdown storeOf taskParams waitAll withLock wrapBroker
`);

const publishing = names(`
  ArgsOf CheckedName InputOf MadeOf OutputOf ParametersOf Refused ResultOf Sent
  Backoff BackoffFunction BrokerChoice BrokerName Brokers Completed Configuration DefinitionParams Duration ErrorClass ErrorCode FilterParams FinalStatus FunboostError Handle LogLevel LogLine LogOptions
  Logger LostRecord Outgoing PublishError PublishItem PublishMiddleware PublishOptions PublisherParams Publishing QueueInfo ResultError
  Schema StatsPoint StatsQuery Support TaskDefinition TaskError TaskKind TaskRecord TimeoutError TraceHooks WaitOptions WaitTimeoutError
  asCompleted brokerName configure defineTask isFunboostError publisher registerBroker shutdown waitAll wrapBroker
`);

const contract = names(`
  Broker BrokerFactory BrokerName BrokerQueue Brokers ConsumeOptions Consumer Counts Delivery Ended EngineTools Facts Features FinalStatus Handler JsonObject JsonText JsonValue
  Message MessageState Peeked Published QueueSpec Reservation ReservedStart ResultOptions Results Retries Rules SetEntry Settlement StartRow
  Children InspectSpec Inspection LateResult NewResult PutResults RepairedRepeats Repeat Stored
  Field From Holding Index LeasedTimers MapEntry Maps MapWritten Page SetKeys Store TimerEntry Timers Ttl WaitForResult WaitingTimer
`);

const kit = names(`
  Case CaseName Context CreateModule DescribeOptions ForeignModule KillableServer NamedCase Outcome Service Subject SubjectOptions
  allCases createSubject describeBroker restartCases runCase slowCases storeRestartCases
`);

const adapter = names(`
  Clock ErrorCode ExchangeAnswer FunboostError PollConsumer PollSource PublishBatches PublishEntry PublishError SettledDelivery
  TickBatches accept acceptedOf bodyText bodyValue checkNames clock createPublishBatches createTickBatches describe isFunboostError withJitter maskSecrets
  missingPeer poll publishError refuse repeat sleep toError within
`);

const brokers = {
  agenda: "AgendaOptions AgendaQueueOptions agenda",
  "bee-queue": "BeeQueueOptions BeeQueueQueueOptions beeQueue",
  bullmq: "BullmqOptions BullmqQueueOptions bullmq",
  memory: "memory",
  sqlite: "SqliteOptions defaultFile sqlite",
  temporal: "TemporalMessageOptions TemporalOptions TemporalQueueOptions temporal",
};

const stores = {
  memory: "memoryStore",
  postgres: "PostgresStoreOptions postgresStore",
  redis: "RedisStoreOptions redisStore",
  sqlite: "sqliteStore",
};

describe("public exports", () => {
  it("of the package: these entries, and no other", () => {
    const { exports } = JSON.parse(read("package.json"));
    expect(Object.keys(exports)).toEqual([
      ".",
      "./core",
      "./publisher",
      "./contract",
      "./adapter",
      "./conformance",
      "./adapters/*",
      "./stores/*",
      "./package.json",
    ]);
    const folders = (file: string) =>
      filesUnder("adapters")
        .filter((each) => each.endsWith(`/${file}.ts`))
        .map((each) => each.split("/")[1]);
    expect(folders("broker")).toEqual(Object.keys(brokers));
    expect(folders("store")).toEqual(Object.keys(stores));
  });
  it("of funboost and funboost/core", () => {
    expect(exportsOf("src/core.ts")).toEqual(core);
    expect(exportsOf("src/index.ts")).toEqual(core);
  });
  it("of funboost/publisher: a part of those", () => {
    expect(exportsOf("src/publish-only.ts")).toEqual(publishing);
    expect(publishing.filter((name) => !core.includes(name))).toEqual([]);
  });
  it("of funboost/contract", () => {
    expect(exportsOf("src/contract/index.ts")).toEqual(contract);
  });
  it("of funboost/adapter", () => {
    expect(exportsOf("adapters/adapter.ts")).toEqual(adapter);
  });
  it("of funboost/conformance", () => {
    expect(exportsOf("test/conformance/index.ts")).toEqual(kit);
  });
  it.each(Object.entries(brokers))("of funboost/adapters/%s", (engine, list) => {
    expect(exportsOf(`adapters/${engine}/broker.ts`)).toEqual(names(list));
  });
  it.each(Object.entries(stores))("of funboost/stores/%s", (engine, list) => {
    expect(exportsOf(`adapters/${engine}/store.ts`)).toEqual(names(list));
  });
});
