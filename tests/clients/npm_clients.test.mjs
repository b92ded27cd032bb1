// SPDX-License-Identifier: GPL-3.0-or-later
// Client libraries from the npm registry, unmodified, run workflows end to end.
//
// All three begin to listen for a prompt's events only after the answer to their POST: a prompt that is over by then
// leaves them waiting for ever, here as on ComfyUI. So what they run over their sockets has steps enough to outlast that
// answer on a busy machine, and a result that is cached is asked for by polling.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { CallWrapper, ComfyApi, PromptBuilder } from "@saintno/comfyui-sdk";
import { Client } from "@stable-canvas/comfyui-client";
import { ComfyUIClient } from "comfy-ui-client";
import WebSocket from "ws";

import { Server } from "../programs/server.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "comfyui-distributed");
const checkpoint = join(cache, "models/tiny_sd15.safetensors");
const minute = { timeout: 60_000 };

let server;

before(async () => {
  if (!existsSync(checkpoint)) execFileSync("python3", [join(root, "tests/models/make_tiny_sd15.py"), checkpoint]);
  server = await Server.start({ checkpoint });
});

after(() => server?.stop());

/** The classic seven nodes at a small size. */
const workflow = ({ steps = 60, seed = 5, sampler = "euler" } = {}) => ({
  3: { class_type: "KSampler", inputs: { cfg: 8, denoise: 1, latent_image: ["5", 0], model: ["4", 0], negative: ["7", 0], positive: ["6", 0],
    sampler_name: sampler, scheduler: "normal", seed, steps } },
  4: { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "tiny.safetensors" } },
  5: { class_type: "EmptyLatentImage", inputs: { batch_size: 1, height: 64, width: 64 } },
  6: { class_type: "CLIPTextEncode", inputs: { clip: ["4", 1], text: "a house" } },
  7: { class_type: "CLIPTextEncode", inputs: { clip: ["4", 1], text: "bad" } },
  8: { class_type: "VAEDecode", inputs: { samples: ["3", 0], vae: ["4", 2] } },
  9: { class_type: "SaveImage", inputs: { filename_prefix: "client", images: ["8", 0] } },
});

function assertPng(bytes) {
  const head = Buffer.from(bytes).subarray(0, 8).toString("latin1");
  assert.equal(head, "\x89PNG\r\n\x1a\n");
}

/** Interrupts once the prompt's sampler has begun. */
async function interruptSoon() {
  for (let i = 0; i < 400; ++i) {
    if ((await server.json("/queue")).queue_running.length > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  await server.json("/interrupt", {});
}

test("comfy-ui-client gets its pictures, twice, and is told of a bad value", minute, async () => {
  const client = new ComfyUIClient(server.url.slice("http://".length), "comfy-ui-client");
  await client.connect();
  for (let i = 0; i < 2; ++i) {
    const images = await client.getImages(workflow({ seed: i }));
    assertPng(await images["9"][0].blob.arrayBuffer());
  }
  await assert.rejects(client.getImages(workflow({ sampler: "none_such" })), /[Pp]rompt outputs failed validation/);
  assert.ok((await client.getObjectInfo("KSampler")).KSampler.input.required.seed);
  assert.deepEqual(await client.getEmbeddings(), []);
  assert.ok((await client.getExtensions()).length > 0);
  assert.ok((await client.getSystemStats()).system.ram_total > 0);
  assert.equal((await client.getPrompt()).exec_info.queue_remaining, 0);
  assert.deepEqual((await client.getQueue()).queue_running, []);
  const upload = await client.uploadImage(Buffer.from("no picture"), "up.txt");
  assert.equal(upload.name, "up.txt");
  await client.disconnect();
});

test("@stable-canvas/comfyui-client runs over its socket and by polling, and shows progress", minute, async () => {
  const client = new Client({ api_host: server.url.slice("http://".length), WebSocket, fetch });
  await client.connect();
  const progress = [];
  const result = await client.enqueue(workflow({ seed: 6 }), { progress: ({ value, max }) => progress.push([value, max]) });
  assert.equal(result.images.length, 1);
  assertPng(await (await fetch(result.images[0].data ?? result.images[0].url)).arrayBuffer());
  assert.deepEqual(progress.at(-1), [60, 60]);
  const again = await client.enqueue_polling(workflow({ seed: 6 }));
  assert.equal(again.images.length, 1, "a cached run ends with its pictures too");
  const polled = await client.enqueue_polling(workflow({ seed: 7 }));
  assert.equal(polled.images.length, 1);
  assert.ok((await client.getNodeDefs()).KSampler);
  await assert.rejects(client.enqueue(workflow({ sampler: "none_such" })));
  client.close();
});

test("@saintno/comfyui-sdk builds, runs, repeats and is interrupted", minute, async () => {
  const api = new ComfyApi(server.url, "saintno");
  await api.init(5, 500).waitForReady();
  const run = (options, hooks = {}) => {
    const builder = new PromptBuilder(workflow(), ["seed", "steps"], ["images"])
      .setInputNode("seed", "3.inputs.seed").setInputNode("steps", "3.inputs.steps").setOutputNode("images", "9")
      .input("seed", options.seed).input("steps", options.steps);
    const call = new CallWrapper(api, builder);
    if (hooks.progress) call.onProgress(hooks.progress);
    if (hooks.failed) call.onFailed(hooks.failed);
    return call.run();
  };
  const progress = [];
  for (let i = 0; i < 2; ++i) {
    const output = await run({ seed: 8 + i, steps: 60 }, { progress: (info) => progress.push(info.value) });
    assertPng(await (await api.getImage(output.images.images[0])).arrayBuffer());
  }
  assert.ok(progress.includes(60), "progress of the sampler");
  const failures = [];
  const interrupted = run({ seed: 10, steps: 2000 }, { failed: (error) => failures.push(error) });
  await interruptSoon();
  const outcome = await interrupted.catch((error) => error);
  assert.ok(failures.length > 0 || outcome === false || outcome instanceof Error, "the interruption is told");
  assert.ok((await api.getSamplerInfo()).sampler.length > 0);
  assert.deepEqual(await api.getCheckpoints(), ["tiny.safetensors"]);
  api.destroy();
});

test("two clients at once get only what is theirs", minute, async () => {
  const clients = [1, 2].map((i) => new ComfyUIClient(server.url.slice("http://".length), `side-${i}`));
  await Promise.all(clients.map((client) => client.connect()));
  const seen = clients.map(() => new Set());
  clients.forEach((client, i) => client.ws.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.data?.prompt_id) seen[i].add(message.data.prompt_id);
  }));
  const results = await Promise.all(clients.map((client, i) => client.getImages(workflow({ seed: 20 + i }))));
  for (const result of results) assertPng(await result["9"][0].blob.arrayBuffer());
  assert.deepEqual(seen.map((ids) => ids.size), [1, 1]);
  assert.notDeepEqual([...seen[0]], [...seen[1]]);
  await Promise.all(clients.map((client) => client.disconnect()));
});
