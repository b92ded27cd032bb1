// SPDX-License-Identifier: GPL-3.0-or-later
// The official editor in a real Chromium, as a new user meets it. Pictures of what it showed are left
// in the folder COMFY_SCREENSHOTS when that is set.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Server } from "../programs/server.mjs";
import { editorArgs, graphIsThere, launchBrowser, openEditor, shot, tinyCheckpoint } from "./page.mjs";

let server, browser, page;

const node = (type) => page.evaluate((t) => window.app.graph._nodes.find((n) => n.type === t)?.id, type);
const setWidget = (type, name, value) =>
  page.evaluate(([t, w, v]) => {
    const found = window.app.graph._nodes.find((n) => n.type === t);
    const widget = found.widgets.find((x) => x.name === w);
    widget.value = v;
    widget.callback?.(v);
  }, [type, name, value]);

/** Records every message of the page's own socket from now on. */
const listen = () =>
  page.evaluate(() => {
    window.seen = [];
    for (const type of ["execution_start", "executing", "progress", "progress_state", "b_preview", "b_preview_with_metadata", "executed",
      "execution_success", "execution_error", "execution_interrupted"])
      window.app.api.addEventListener(type, (event) => window.seen.push([type, event.detail instanceof Blob ? "blob" : event.detail]));
  });
const seen = (type) => page.evaluate((t) => window.seen.filter(([name]) => name === t).length, type);
const waitFor = (type, timeout = 90_000) => page.waitForFunction((t) => window.seen.some(([name]) => name === t), type, { timeout });
const queue = async () => {
  // Not by a click on the canvas: two in short order are a double click, which opens a search.
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Control+Enter");
};

before(async () => {
  server = await Server.start({ checkpoint: tinyCheckpoint(), args: [...editorArgs, "--preview-method", "latent2rgb"] });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test("the page shows the classic graph with the checkpoint that is there", async () => {
  page = await openEditor(browser, server.url);
  const types = await page.evaluate(() => window.app.graph._nodes.map((n) => n.type).sort());
  assert.deepEqual(types, ["CLIPTextEncode", "CLIPTextEncode", "CheckpointLoaderSimple", "EmptyLatentImage", "KSampler", "SaveImage", "VAEDecode"]);
  const shown = await page.evaluate(() => window.app.graph._nodes.find((n) => n.type === "CheckpointLoaderSimple").widgets[0].value);
  assert.equal(shown, "tiny.safetensors");
  assert.ok(!(await page.evaluate(() => window.app.graph._nodes.some((n) => n.has_errors))), "no node of it is marked as broken");
  await shot(page, "1-new-user");
  assert.deepEqual(page.errors, []);
});

test("Run lights the nodes, moves the progress, shows previews and ends in a picture", async () => {
  await setWidget("EmptyLatentImage", "width", 128);
  await setWidget("EmptyLatentImage", "height", 128);
  await setWidget("KSampler", "steps", 30);
  await listen();
  await queue();
  await waitFor("progress");
  await shot(page, "2-running");
  await waitFor("execution_success");
  await page.waitForFunction(() => window.app.graph._nodes.find((n) => n.type === "SaveImage").imgs?.length > 0, null, { timeout: 20_000 });
  await shot(page, "3-picture");
  const source = await page.evaluate(() => window.app.graph._nodes.find((n) => n.type === "SaveImage").imgs[0].src);
  assert.match(source, /\/api\/view\?.*filename=ComfyUI_00001_\.png/);
  assert.ok((await seen("progress")) >= 20, "progress of the sampler's steps");
  assert.ok((await seen("progress_state")) > 0);
  assert.ok((await seen("b_preview_with_metadata")) > 0, "previews while sampling");
  assert.deepEqual(page.errors, []);
});

test("interrupt stops the prompt within a step and the next prompt runs", async () => {
  await page.evaluate(() => (window.seen = []));
  await setWidget("KSampler", "steps", 2000);
  await setWidget("KSampler", "seed", 5);
  await queue();
  await waitFor("progress");
  await server.json("/interrupt", {});
  await waitFor("execution_interrupted", 10_000);
  await page.evaluate(() => (window.seen = []));
  await setWidget("KSampler", "steps", 2);
  await queue();
  await waitFor("execution_success");
});

test("the picture dropped on the page brings its workflow back", async () => {
  const name = readdirSync(join(server.base, "output")).filter((f) => f.endsWith(".png")).sort()[0];
  const bytes = readFileSync(join(server.base, "output", name)).toString("base64");
  await page.evaluate(() => window.app.graph.clear());
  await page.evaluate(async (data) => {
    const file = new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], "dropped.png", { type: "image/png" });
    await window.app.handleFile(file);
  }, bytes);
  await page.waitForFunction(() => window.app.graph._nodes.length === 7, null, { timeout: 20_000 });
  const steps = await page.evaluate(() => window.app.graph._nodes.find((n) => n.type === "KSampler").widgets.find((w) => w.name === "steps").value);
  assert.equal(steps, 30);
  await shot(page, "4-dropped");
});

test("a reload finds the history", async () => {
  await page.reload();
  await graphIsThere(page);
  const jobs = await page.evaluate(async () => (await fetch("/api/jobs?status=completed,failed,cancelled&limit=64&offset=0")).json());
  assert.equal(jobs.jobs.filter((j) => j.status === "completed").length, 2);
  assert.equal(jobs.jobs.filter((j) => j.status === "cancelled").length, 1);
  assert.ok(jobs.jobs.find((j) => j.status === "completed").preview_output.filename);
  await shot(page, "5-reloaded");
});

test("an invalid prompt is shown at its node", async () => {
  await setWidget("CheckpointLoaderSimple", "ckpt_name", "missing.safetensors");
  await queue();
  await page.waitForFunction(() => document.body.innerText.includes("missing.safetensors") || document.body.innerText.match(/not in list/i), null,
    { timeout: 20_000 });
  await shot(page, "6-missing-checkpoint");
  assert.ok(await node("KSampler"));
});
