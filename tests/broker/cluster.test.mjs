// SPDX-License-Identifier: GPL-3.0-or-later
// One frontend and two workers around a real, private RabbitMQ: prompts end exactly once whatever is
// killed, and are accepted while the broker is away.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Server } from "../programs/server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const bin = process.env.COMFY_BIN ?? join(here, "../../build/default/bin");
const minute = { timeout: 120_000 };

/** A quorum queue of RabbitMQ 3.10 that is killed within five seconds of its making may never elect a leader again: its term is
 *  written to disk that often. docs/reliability.md has what that means. */
const queuesAreOnDisk = () => new Promise((resolve) => setTimeout(resolve, 6_000));

const node = (...words) => execFileSync(join(here, "rabbitmq_node"), words, { encoding: "utf8" }).trim();

let folder, uri, frontend;
const workers = [];

function startWorker() {
  const args = ["--cwd", frontend.base, "--distributed-queue-connection-uri", uri];
  const worker = spawn(join(bin, "comfyui-worker"), args, { stdio: ["ignore", "ignore", "pipe"], env: { OMP_NUM_THREADS: "1", ...process.env } });
  worker.log = "";
  worker.stderr.on("data", (text) => (worker.log += text));
  workers.push(worker);
  return worker;
}

/** Sizes differ, so that no prompt is answered from the cache of another. */
const workflow = (number, file) => ({
  1: { class_type: "EmptyImage", inputs: { width: 16 + number, height: 16, batch_size: 1, color: number } },
  2: { class_type: "ImageInvert", inputs: { image: ["1", 0] } },
  3: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: file } },
});

const submit = async (number, file) => (await frontend.json("/prompt", { prompt: workflow(number, file) })).prompt_id;
const files = (prefix) => readdirSync(join(frontend.base, "output")).filter((name) => name.startsWith(prefix));

/** All ended well, and each left one file. */
async function allEnded(ids, prefix) {
  for (const id of ids) assert.equal((await frontend.finished(id, 60)).status.status_str, "success");
  assert.equal(files(prefix).length, ids.length);
}

async function until(condition, seconds = 40) {
  for (let i = 0; i < seconds * 10; ++i) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it did not come true in ${seconds} s:\n${frontend.log.slice(-2000)}\n${workers.map((w) => w.log.slice(-1000)).join("\n")}`);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "comfyui-broker-"));
  const port = node("start", folder, String(process.pid));
  uri = `amqp://guest:guest@127.0.0.1:${port}`;
  frontend = await Server.start({ args: ["--distributed-queue-frontend", "--distributed-queue-connection-uri", uri] });
  startWorker();
  startWorker();
});

after(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await frontend?.stop();
  node("stop", folder);
  rmSync(folder, { recursive: true, force: true });
});

test("prompts run on the workers at the broker, and the server has none of its own", minute, async () => {
  const ids = [];
  for (let i = 0; i < 20; ++i) ids.push(await submit(i, "plain"));
  await allEnded(ids, "plain");
  const ready = await (await fetch(`${frontend.url}/readyz`)).json();
  assert.equal(ready.parts.broker.connected, true);
});

test("a worker that is killed has its prompt run by another", minute, async () => {
  const ids = [];
  for (let i = 0; i < 60; ++i) ids.push(await submit(i, "killed"));
  workers[0].kill("SIGKILL");
  startWorker();
  await allEnded(ids, "killed");
});

test("prompts are accepted while the broker is away and run once it is back", minute, async () => {
  await queuesAreOnDisk();
  node("kill", folder);
  await until(async () => !(await (await fetch(`${frontend.url}/readyz`)).json()).parts.broker.connected);
  const ids = [];
  for (let i = 0; i < 10; ++i) ids.push(await submit(i, "away"));
  node("start", folder, String(process.pid));
  await allEnded(ids, "away");
});

test("a frontend that is killed finds its prompts' ends when it is back", minute, async () => {
  const ids = [];
  for (let i = 0; i < 30; ++i) ids.push(await submit(i, "frontend"));
  frontend.process.kill("SIGKILL");
  await frontend.exit;
  await frontend.launch();
  await allEnded(ids, "frontend");
});

test("a queued prompt that is deleted never runs", minute, async () => {
  await frontend.json("/queue/pause", {});
  const id = await submit(1, "deleted");
  await frontend.json("/queue", { delete: [id] });
  await frontend.json("/queue/resume", {});
  const last = await submit(2, "after");
  await allEnded([last], "after");
  assert.deepEqual(files("deleted"), []);
});
