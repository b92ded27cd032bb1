// SPDX-License-Identifier: GPL-3.0-or-later
// The programs are killed while they work; every accepted prompt must still end, once.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Server } from "./server.mjs";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A graph that saves one picture; `number` makes it unlike all others. */
function graph(number, side = 256) {
  return {
    1: { class_type: "EmptyImage", inputs: { width: side, height: side, batch_size: 1, color: number } },
    2: { class_type: "ImageScale", inputs: { image: ["1", 0], upscale_method: "lanczos", width: side, height: side + 8, crop: "disabled" } },
    3: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: `fault_${number}` } },
  };
}

function workersOf(pid) {
  try {
    return execFileSync("pgrep", ["-P", String(pid), "comfyui-worker"], { encoding: "utf8" }).trim().split("\n").map(Number);
  } catch {
    return [];
  }
}

/** Every accepted id has one record that says success, and its files exist once. */
async function checkAll(server, ids) {
  for (const [number, id] of ids.entries()) {
    const entry = await server.finished(id, 90);
    assert.equal(entry.status.status_str, "success", `prompt ${number}: ${JSON.stringify(entry.status).slice(0, 800)}`);
  }
  const files = readdirSync(join(server.base, "output")).filter((name) => name.startsWith("fault_"));
  assert.equal(files.length, ids.length, "one file for each prompt");
  assert.equal(new Set(files.map((name) => name.replace(/_\d+_\.png$/, ""))).size, ids.length);
  for (const name of files) assert.equal(readFileSync(join(server.base, "output", name)).subarray(1, 4).toString(), "PNG");
  const queue = await server.json("/queue");
  assert.equal(queue.queue_running.length + queue.queue_pending.length, 0);
}

test("worker deaths at random moments lose and repeat nothing", async () => {
  const server = await Server.start({ args: ["--max-attempts", "50"] });
  try {
    const ids = [];
    for (let i = 0; i < 40; ++i) ids.push((await server.json("/prompt", { prompt: graph(i) })).prompt_id);
    for (let kill = 0; kill < 6; ++kill) {
      await pause(150 + Math.random() * 400);
      for (const worker of workersOf(server.process.pid)) try { process.kill(worker, "SIGKILL"); } catch { /* it was gone already */ }
    }
    await checkAll(server, ids);
  } finally {
    await server.stop();
  }
});

test("server deaths with 50 queued prompts lose and repeat nothing, and keep the order", async () => {
  const server = await Server.start({ args: ["--max-attempts", "50"] });
  try {
    const ids = [];
    for (let i = 0; i < 50; ++i) ids.push((await server.json("/prompt", { prompt: graph(i) })).prompt_id);
    for (let kill = 0; kill < 3; ++kill) {
      await pause(100 + Math.random() * 300);
      server.process.kill("SIGKILL");
      await server.exit;
      await server.launch();
    }
    await checkAll(server, ids);
    const history = await server.json("/history");
    assert.deepEqual(Object.keys(history).filter((id) => ids.includes(id)).sort(), [...ids].sort());
  } finally {
    await server.stop();
  }
});

test("history and queue survive a restart byte for byte", async () => {
  const server = await Server.start();
  try {
    const { prompt_id } = await server.json("/prompt", { prompt: graph(1), extra_data: { extra_pnginfo: { workflow: { z: 1, a: [1.0] } } } });
    await server.finished(prompt_id);
    const before = await (await fetch(`${server.url}/history`)).text();
    server.process.kill("SIGKILL");
    await server.exit;
    await server.launch();
    assert.equal(await (await fetch(`${server.url}/history`)).text(), before);
  } finally {
    await server.stop();
  }
});

test("a prompt whose worker always dies ends as failed and names the signal", async () => {
  const server = await Server.start({ environment: { COMFY_FAIL_AT: "mid_node" } });
  try {
    const { prompt_id } = await server.json("/prompt", { prompt: graph(7) });
    const entry = await server.finished(prompt_id, 60);
    assert.equal(entry.status.status_str, "error");
    assert.match(JSON.stringify(entry.status), /worker_lost/);
    assert.ok((await fetch(`${server.url}/system_stats`)).ok);
  } finally {
    await server.stop();
  }
});

test("SIGTERM ends the programs in time and leaves no orphan", async () => {
  const server = await Server.start();
  const workers = workersOf(server.process.pid);
  server.process.kill("SIGTERM");
  const { code } = await server.exit;
  assert.equal(code, 0);
  await pause(300);
  for (const worker of workers) assert.throws(() => process.kill(worker, 0));
  await server.stop();
});
