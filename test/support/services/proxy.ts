/** Stands between the clients of one test file and a server that others use too: what it does to their connections it does to nobody else's. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface ServerProxy {
  /** The server's address, by way of us. */
  readonly address: string;
  /** Ends all connections by RST. */
  cut(): Promise<void>;
  /**
   * What is connected now stays so, and hears nothing any more, in either direction: as when packets are dropped.
   * `answers`: what the clients send still arrives, only the answers are lost. `all`: the same befalls what connects before `restore`.
   */
  silence(how?: { readonly answers?: boolean; readonly all?: boolean }): void;
  /** What connects from now on works; what was silenced does not. */
  restore(): void;
  /** Bytes travel that much longer from now on, each way. */
  delay(ms: number): void;
  /** The server's end of each connection says that it sends nothing more (FIN), and reads on. */
  halfClose(): void;
  close(): Promise<void>;
}

type Silence = "none" | "answers" | "all";

interface Link {
  readonly client: Socket;
  readonly upstream: Socket;
  silence: Silence;
}

const defaultPorts: Readonly<Record<string, number>> = {
  "redis:": 6379,
  "postgres:": 5432,
  "postgresql:": 5432,
  "amqp:": 5672,
  "mongodb:": 27017,
};

/** Undefined where none can stand in between: encryption names its host, and lists of hosts name each other. */
function target(address: string): { host: string; port: number; at: (port: number) => string } | undefined {
  const { groups } =
    /^(?<scheme>[a-z+]+:)?(?<user>\/\/(?:[^/@]*@)?)?(?<host>\[[^\]]+\]|[^:/,?#]+)(?::(?<port>\d+))?(?<rest>[/?#].*)?$/i.exec(
      address,
    ) ?? {};
  if (!groups?.host || /replicaSet=|tls=true|ssl=true|sslmode=/i.test(address)) return undefined;
  const port = Number(groups.port ?? defaultPorts[groups.scheme ?? ""]);
  if (!port || (groups.scheme && !defaultPorts[groups.scheme])) return undefined;
  const { scheme = "", user = "", host, rest = "" } = groups;
  return { host: host.replace(/^\[|\]$/g, ""), port, at: (own) => `${scheme}${user}127.0.0.1:${own}${rest}` };
}

export async function proxy(address: string): Promise<ServerProxy | undefined> {
  const to = target(address);
  if (!to) return undefined;
  const links = new Set<Link>();
  let delayMs = 0;
  let fresh: Silence = "none";
  const later = (work: () => void) => void (delayMs > 0 ? setTimeout(work, delayMs).unref() : work());
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ host: to.host, port: to.port, allowHalfOpen: true });
    const link: Link = { client, upstream, silence: fresh };
    links.add(link);
    const forget = () => void (client.destroyed && upstream.destroyed && links.delete(link));
    forward(client, upstream, () => link.silence === "all", later, forget);
    forward(upstream, client, () => link.silence !== "none", later, forget);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  server.unref();
  const cut = async () => {
    for (const { client, upstream } of links) for (const socket of [client, upstream]) socket.resetAndDestroy();
  };
  return {
    address: to.at((server.address() as AddressInfo).port),
    cut,
    silence({ answers = false, all = false } = {}) {
      const silence = answers ? "answers" : "all";
      for (const link of links) link.silence = silence;
      if (all) fresh = silence;
    },
    restore: () => void (fresh = "none"),
    delay: (ms) => void (delayMs = ms),
    halfClose() {
      for (const { client } of links) client.end();
    },
    async close() {
      server.close();
      await cut();
    },
  };
}

/** One direction: bytes, the end of them, and the end of the connection. */
function forward(
  from: Socket,
  to: Socket,
  isSilent: () => boolean,
  later: (work: () => void) => void,
  onClose: () => void,
): void {
  from.setNoDelay(true).unref();
  from.on("error", () => {}); // "close" follows
  from.on("data", (bytes) => {
    if (isSilent()) return;
    later(() => {
      if (!to.writable || to.write(bytes)) return;
      from.pause();
      to.once("drain", () => from.resume());
    });
  });
  from.once("end", () => void (isSilent() || later(() => to.end())));
  from.once("close", () => {
    if (!isSilent()) later(() => to.destroy());
    onClose();
  });
}
