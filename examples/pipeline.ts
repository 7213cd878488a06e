/** A pipeline in plain code: download a video, transcode it to three sizes at once, wait for all, notify. The work is simulated. */
import { setTimeout as work } from "node:timers/promises";
import { boost, consumeAll, shutdown } from "funboost";

const shared = { broker: "memory", concurrency: 1, rpc: true } as const;

const download = boost({ ...shared, queue: "download" }, async function download(url: string) {
  await work(50);
  return url.replace("https://", "").replaceAll("/", "_");
});

const transcode = boost({ ...shared, queue: "transcode", concurrency: 3 }, async (file: string, height: number) => {
  await work(height / 5);
  return `${file}_${height}p.mp4`;
});

const notify = boost({ ...shared, queue: "notify" }, async function notify(files: string[]) {
  console.log(`ready: ${files.join(", ")}`);
  return files.length;
});

// A run that waits gives its slot back, so both videos are under way although concurrency is 1.
const pipeline = boost({ ...shared, queue: "pipeline" }, async function pipeline(url: string) {
  const r = await download.push(url);
  const file = await r.waitResult();
  const sizes = await transcode.pushMany([
    [file, 360],
    [file, 720],
    [file, 1080],
  ]);
  const files = await Promise.all(sizes.map((size) => size.waitResult()));
  const told = await notify.push(files);
  return await told.waitResult();
});

await consumeAll();
const videos = await pipeline.pushMany([["https://example.com/cat.mov"], ["https://example.com/dog.mov"]]);
for (const video of videos) console.log(`done: ${await video.waitResult()} files`);
await shutdown();
