/** What one server needs to say about itself, so that all are started, found and stopped in one way. */

export const serverNames = ["redis", "postgres", "rabbitmq", "kafka", "mongodb", "temporal"] as const;
export type ServerName = (typeof serverNames)[number];

/** Where one instance lives. */
export interface Place {
  /** Its data; exists, and is its own. */
  readonly folder: string;
  /** As many as `portCount`; clients use the first. */
  readonly ports: readonly number[];
  /** What was acknowledged survives a kill -9 and a start on the same folder. */
  readonly durable: boolean;
}

/** A program that stays in the foreground. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface Server {
  readonly name: ServerName;
  /** The environment variable that holds its address. */
  readonly variable: string;
  readonly portCount: number;
  /** What cannot be tested without it. */
  readonly skipped: string;
  /** Clients are told its address and go there: nothing can stand in between. */
  readonly advertises?: true;
  /** Ends it in good order; the default is SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** The user that runs it where we are root: it refuses root. */
  readonly user?: string;
  /** What a private one lacks here; undefined where one can be started. */
  missing(): string | undefined;
  /** Why `install` cannot work here. */
  obstacle(): string | undefined;
  install(say: (text: string) => void): Promise<void>;
  version(): string;
  /** The value of `variable` for a private one. */
  address(port: number): string;
  /** Other addresses of a private one, under the names of environment variables. */
  more?(ports: readonly number[]): Readonly<Record<string, string>>;
  /** Makes the folder ready, and answers what to run. */
  prepare(place: Place): Promise<Command>;
  /** Rejects, saying why, unless it serves clients at this address. */
  check(address: string): Promise<void>;
}
