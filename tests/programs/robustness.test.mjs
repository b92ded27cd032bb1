// SPDX-License-Identifier: GPL-3.0-or-later
// Requests that stop the Python servers, and other bad input: a clear answer each, and the next prompt runs.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Server } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const shared = process.env.COMFY_SHARED ?? join(here, "../../../shared");

let server;
before(async () => (server = await Server.start()));
after(() => server?.stop());

const good = (color) => ({
  1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color } },
  2: { class_type: "PreviewImage", inputs: { images: ["1", 0] } },
});

const post = (path, body, headers = {}) =>
  fetch(server.url + path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers });

let color = 0;
async function nextPromptRuns() {
  const { prompt_id } = await server.json("/prompt", { prompt: good(++color) });
  assert.equal((await server.finished(prompt_id, 20)).status.status_str, "success");
}

/** The answer is a 400 whose body says what is wrong. */
async function refused(path, body, status = 400) {
  const reply = await post(path, body);
  const text = await reply.text();
  assert.equal(reply.status, status, `${path} ${String(typeof body === "string" ? body : JSON.stringify(body)).slice(0, 200)} -> ${text.slice(0, 300)}`);
  assert.ok(text.length > 10, "a message");
  return text;
}

test("malformed bodies are 400 with a message", async () => {
  for (const body of ["{", "", "[]", '"x"', "null", "3", '{"prompt": null}', '{"prompt": 3}', '{"prompt": []}', '{"prompt": {"1": null}}',
    '{"prompt": {"1": 3}}', '{"prompt": {"1": []}}', '{"prompt": {}}', "{\"a\":".repeat(5000)]) await refused("/prompt", body);
  for (const extra of [{ number: "x" }, { number: null }, { extra_data: null }, { client_id: {} }, { partial_execution_targets: "12" },
    { partial_execution_targets: 3 }, { prompt_id: "a b" }]) await refused("/prompt", { prompt: good(0xffffff), ...extra });
  for (const body of ["[1]", '{"delete": "x"}', '{"delete": 3}', "{"]) await refused("/queue", body);
  await refused("/interrupt", "[1]");
  await nextPromptRuns();
});

test("bad graphs are named for what they are", async () => {
  assert.match(await refused("/prompt", { prompt: { 1: { class_type: "Nothing", inputs: {} } } }), /does not exist/);
  const cycle = { 1: { class_type: "ImageInvert", inputs: { image: ["2", 0] } }, 2: { class_type: "ImageInvert", inputs: { image: ["1", 0] } },
    3: { class_type: "PreviewImage", inputs: { images: ["1", 0] } } };
  assert.match(await refused("/prompt", { prompt: cycle }), /cycle/i);
  const missing = { ...good(1), 2: { class_type: "PreviewImage", inputs: { images: ["9", 0] } } };
  await refused("/prompt", { prompt: missing });
  const outOfRange = { ...good(1), 1: { class_type: "EmptyImage", inputs: { width: 0, height: 8, batch_size: 1, color: 0 } } };
  assert.match(await refused("/prompt", { prompt: outOfRange }), /value_smaller_than_min/);
  const wrongType = { ...good(1), 1: { class_type: "EmptyImage", inputs: { width: "wide", height: 8, batch_size: 1, color: 0 } } };
  assert.match(await refused("/prompt", { prompt: wrongType }), /invalid_input_type/);
  await nextPromptRuns();
});

test("recorded requests that stop the Python servers do not stop this one", async (t) => {
  for (const file of ["robustness-0.3.64.json", "robustness-seed.json"]) {
    const path = join(shared, "reference", file);
    if (!existsSync(path)) return t.skip("no recorded data beside the repository");
    for (const entry of [JSON.parse(readFileSync(path, "utf8"))].flat().flatMap((x) => x.cases ?? x)) {
      const request = entry.request ?? entry;
      const reply = await post(request.path ?? "/prompt", request.body ?? request.json ?? request);
      assert.ok(reply.status < 500, `${file}: ${JSON.stringify(request).slice(0, 200)} -> ${reply.status}`);
      await nextPromptRuns();
    }
  }
});

test("a chain of 10,000 nodes runs", async () => {
  const prompt = { 0: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 77 } } };
  for (let i = 1; i < 10_000; ++i) prompt[i] = { class_type: "ImageInvert", inputs: { image: [String(i - 1), 0] } };
  prompt.end = { class_type: "PreviewImage", inputs: { images: ["9999", 0] } };
  const { prompt_id } = await server.json("/prompt", { prompt });
  assert.equal((await server.finished(prompt_id, 60)).status.status_str, "success");
});

test("broken models and pictures end their prompt with a clear error", async () => {
  const folder = join(server.base, "models/checkpoints");
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(server.base, "input"), { recursive: true });
  const huge = Buffer.from("89504e470d0a1a0a0000000d494844520000ffff0000ffff08060000006d9fe0a80000000049454e44ae426082", "hex");
  const files = {
    "empty.safetensors": Buffer.alloc(0),
    "short.safetensors": Buffer.from("\x20\0\0\0\0\0\0\0{\"a\":", "latin1"),
    "lying.safetensors": Buffer.from("\xff\xff\xff\xff\xff\xff\xff\x7f{}", "latin1"),
    "text.ckpt": Buffer.from("hello"),
  };
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  writeFileSync(join(server.base, "input", "huge.png"), huge);
  for (const name of Object.keys(files)) {
    const prompt = { 1: { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: name } },
      2: { class_type: "EmptyLatentImage", inputs: { width: 64, height: 64, batch_size: 1 } },
      3: { class_type: "VAEDecode", inputs: { samples: ["2", 0], vae: ["1", 2] } }, 4: { class_type: "PreviewImage", inputs: { images: ["3", 0] } } };
    const reply = await server.json("/prompt", { prompt });
    const entry = await server.finished(reply.prompt_id, 20);
    const [, error] = entry.status.messages.find(([type]) => type === "execution_error");
    assert.equal(error.node_id, "1");
    assert.match(error.exception_message, /expected .*found|not a|truncated/s, `${name}: ${error.exception_message}`);
    assert.ok(!error.exception_message.includes(server.base), "no path of this machine");
  }
  const picture = { 1: { class_type: "LoadImage", inputs: { image: "huge.png" } }, 2: { class_type: "PreviewImage", inputs: { images: ["1", 0] } } };
  const entry = await server.finished((await server.json("/prompt", { prompt: picture })).prompt_id, 20);
  assert.equal(entry.status.status_str, "error");
  await nextPromptRuns();
});

test("a missing checkpoint's error says what to put where", async () => {
  const prompt = { 1: { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "none.safetensors" } },
    2: { class_type: "EmptyLatentImage", inputs: { width: 64, height: 64, batch_size: 1 } },
    3: { class_type: "VAEDecode", inputs: { samples: ["2", 0], vae: ["1", 2] } }, 4: { class_type: "SaveImage", inputs: { images: ["3", 0], filename_prefix: "x" } } };
  assert.match(await refused("/prompt", { prompt }), /value_not_in_list/);
});

test("pages of other sites are turned away", async () => {
  for (const origin of ["http://evil.test", "null", `http://127.0.0.1:1`]) {
    const reply = await post("/prompt", { prompt: good(1) }, { Origin: origin });
    assert.equal(reply.status, 403, origin);
  }
});

test("paths lead nowhere outside", async () => {
  for (const name of ["../../etc/passwd", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "a\\..\\b"]) {
    for (const path of [`/view?filename=${name}`, `/view?filename=x.png&subfolder=${name}`, `/userdata/${encodeURIComponent(name)}`,
      `/view_metadata/checkpoints?filename=${name}`]) {
      const reply = await fetch(server.url + path);
      assert.ok([400, 403, 404].includes(reply.status), `${path} -> ${reply.status}`);
    }
  }
  const prompt = { ...good(3), 3: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "../../outside" } } };
  const entry = await server.finished((await server.json("/prompt", { prompt })).prompt_id, 20);
  assert.equal(entry.status.status_str, "error");
  assert.ok(!existsSync(join(server.base, "../outside_00001_.png")));
});
