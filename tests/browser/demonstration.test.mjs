// SPDX-License-Identifier: GPL-3.0-or-later
// A new user who has no checkpoint but the demonstration model: one press on Run ends in a picture.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../programs/server.mjs";
import { launchBrowser, openEditor, shot, tinyCheckpoint } from "./page.mjs";

let server, browser, page;

before(async () => {
  server = await Server.start({ checkpoint: tinyCheckpoint(), checkpointName: "comfyui-demo.safetensors" });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test("the first graph asks the demonstration model for what it can draw", async () => {
  page = await openEditor(browser, server.url);
  const values = await page.evaluate(() => window.app.graph._nodes.map((n) => [n.type, n.widgets?.map((w) => w.value)]));
  const of = (type) => values.find(([name]) => name === type)[1];
  assert.deepEqual(of("CheckpointLoaderSimple"), ["comfyui-demo.safetensors"]);
  assert.deepEqual(of("EmptyLatentImage").slice(0, 3), [64, 64, 1]);
  assert.ok(values.some(([type, [text] = []]) => type === "CLIPTextEncode" && text === "a red apple, flat"));
  assert.ok(of("KSampler").includes(4), `cfg of the sampler, among ${of("KSampler")}`);
});

test("pressing Run shows a picture without any editing", async () => {
  // Not by a click on the canvas: two in short order are a double click, which opens a search.
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => window.app.graph._nodes.find((n) => n.type === "SaveImage").imgs?.length > 0, null, { timeout: 120_000 });
  const size = await page.evaluate(() => {
    const [picture] = window.app.graph._nodes.find((n) => n.type === "SaveImage").imgs;
    return [picture.naturalWidth, picture.naturalHeight];
  });
  assert.deepEqual(size, [64, 64]);
  await shot(page, "demonstration");
  assert.deepEqual(page.errors, []);
});
