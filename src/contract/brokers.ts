/** The brokers that types know by name. Each adapter, and each app for what it registers, adds its own. */
import type { Broker } from "./broker.ts";

/**
 * What brokers take, by name: `options` in `configure({ brokers })`, `brokerOptions` in a task's params. It knows a
 * shipped broker as soon as something of its adapter is imported, if only as a type.
 *
 * @example
 * declare module "funboost" {
 *   interface Brokers {
 *     stack: { options: { depth?: number }; brokerOptions: { loud?: boolean } };
 *   }
 * }
 */
// biome-ignore lint/suspicious/noEmptyInterface: others merge with it
export interface Brokers {}

/** Those that have a name without more being known of them: the catalog's. */
// biome-ignore lint/suspicious/noEmptyInterface: the catalog merges with it
export interface CatalogNames {}

declare const registered: unique symbol;
/** What `brokerName(text)` answers. */
export type CheckedName = string & { readonly [registered]: true };

/** The name of a broker: a shipped one, one of `Brokers`, or what `brokerName(text)` answers. */
export type BrokerName = (keyof Brokers & string) | (keyof CatalogNames & string) | CheckedName;

export type BrokerChoice = BrokerName | Broker;

type AnyOptions = Readonly<Record<string, unknown>>;

/** The `brokerOptions` of a task on this broker. */
export type BrokerOptionsOf<B> = [BrokerChoice] extends [B] ? AnyOptions : KnownOptionsOf<B>;

type KnownOptionsOf<B> =
  B extends Broker<infer Own>
    ? unknown extends Own
      ? AnyOptions
      : Own
    : B extends keyof Brokers
      ? Brokers[B] extends { readonly brokerOptions: infer Own }
        ? Own
        : AnyOptions
      : AnyOptions;

/** Options for each broker that a task names by word. */
export type OptionsByBroker = {
  readonly [N in BrokerName]?: N extends keyof Brokers
    ? Brokers[N] extends { readonly options: infer Own }
      ? Own
      : AnyOptions
    : AnyOptions;
};
