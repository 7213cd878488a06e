/** When a killed server is really down. */
import { connect } from "node:net";

/** Resolves when nothing listens there any more: the main thread of a killed Java server may be gone a moment before its sockets are. */
export async function refuses(port: number): Promise<void> {
  const open = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
  while (await open()) await new Promise((resolve) => setTimeout(resolve, 5));
}
