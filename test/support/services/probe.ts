/** Asks a server one thing over a bare socket: no client, no retries. */
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";

export const limitMs = 3_000;

/** Host and port of "host:port", or of a URL; the first, where a list is given. */
export function hostAndPort(address: string, defaultPort: number): { host: string; port: number } {
  const [first = ""] = address.split(",");
  const { hostname, port } = new URL(
    first.includes("://") ? first.replace(/^[a-z0-9+]+:/i, "http:") : `http://${first}`,
  );
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (/:80\b/.test(first) ? 80 : defaultPort)) };
}

/** The first bytes that it answers. */
export function exchange(address: string, defaultPort: number, question: Buffer): Promise<Buffer> {
  const target = hostAndPort(address, defaultPort);
  const secure = /^[a-z]+s:\/\//i.test(address) && !address.startsWith("postgres://");
  return new Promise((resolve, reject) => {
    const socket = secure ? connectTls({ ...target, servername: target.host }) : connect(target);
    const end = (error: Error | undefined, answer?: Buffer) => {
      socket.destroy();
      if (error) reject(error);
      else resolve(answer ?? Buffer.alloc(0));
    };
    socket.setTimeout(limitMs, () => end(new Error(`no answer in ${limitMs / 1000} s`)));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(error.code === "ECONNREFUSED" ? new Error("nothing listens there") : error),
    );
    socket.once("close", () => end(new Error("it closed the connection")));
    socket.once("data", (answer) => end(undefined, answer));
    socket.write(question);
  });
}

/** The answer of a client, with a limit. */
export async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when nothing listens there any more: the main thread of a killed Java server may be gone a moment before its sockets are. */
export async function refuses(port: number): Promise<void> {
  const open = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
  while (await open()) await new Promise((resolve) => setTimeout(resolve, 5));
}
