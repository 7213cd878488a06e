/** An API that takes videos, tells how far each is, cancels one, and brings back what failed. Here it is called by fetch. */
import { once } from "node:events";
import { createServer } from "node:http";
import { shutdown } from "funboost";
import { disk, encode } from "./http/videos.ts";

const routes: Record<string, (id: string) => Promise<object>> = {
  "POST videos": async (file) => ({ id: (await encode.publish([file], { taskId: file })).id }), // posted twice: one task
  "GET videos": async (id) => {
    const video = encode.handle(id);
    const { status, result, error } = (await video.record()) ?? { status: await video.state() };
    return { status, progress: await video.progress(), result, error: error?.message };
  },
  "DELETE videos": async (id) => ({ cancelled: await encode.handle(id).cancel() }),
  "POST redrive": async () => ({ broughtBack: await encode.deadLetters.redrive() }),
};
const server = createServer(async ({ method, url = "" }, response) => {
  const [, what, id = ""] = url.split("/");
  const answer = await routes[`${method} ${what}`]?.(id).catch((error: Error) => error); // such as an id that cannot be
  response.writeHead(answer instanceof Error ? 400 : answer ? 200 : 404).end(JSON.stringify(answer));
}).listen(0, "127.0.0.1");
await once(server, "listening");
await encode.consume();
const { port } = server.address() as { port: number };
async function call(method: string, path: string) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  console.log(`${method.padEnd(6)} ${path.padEnd(16)} ${await answer.text()}`);
}
for (const file of ["cat.mov", "long.mov", "big.mov"]) await call("POST", `/videos/${file}`);
for await (const step of encode.handle("cat.mov").follow()) if (step === "60 %") break;
await call("GET", "/videos/cat.mov");
await call("DELETE", "/videos/long.mov");
await encode.handle("cat.mov").waitResult();
for (const file of ["cat.mov", "long.mov", "big.mov"]) await call("GET", `/videos/${file}`);
disk.isFull = false;
await call("POST", "/redrive");
await encode.handle("big.mov").waitResult();
await call("GET", "/videos/big.mov");
server.close();
await shutdown();
