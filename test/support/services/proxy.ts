/** Stands between the clients of one test file and a server that others use too: cutting its connections cuts nobody else's. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Proxy {
  /** The server's address, by way of us. */
  readonly address: string;
  cut(): Promise<void>;
  close(): Promise<void>;
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

export async function proxy(address: string): Promise<Proxy | undefined> {
  const to = target(address);
  if (!to) return undefined;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket, other: () => Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true).unref();
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => {
      sockets.delete(socket);
      other().destroy();
    });
  };
  const server = createServer((client) => {
    const upstream = connect({ host: to.host, port: to.port });
    keep(client, () => upstream);
    keep(upstream, () => client);
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  server.unref();
  const cut = async () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const close = async () => {
    server.close();
    await cut();
  };
  return { address: to.at((server.address() as AddressInfo).port), cut, close };
}
