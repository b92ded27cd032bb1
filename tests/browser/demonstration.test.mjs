// SPDX-License-Identifier: GPL-3.0-or-later
// A new user without any checkpoint: the demonstration model is offered, and one press on Run ends in what was asked for.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../programs/server.mjs";
import { graphIsThere, launchBrowser, openEditor, shot } from "./page.mjs";

let server, browser, page;

before(async () => {
  server = await Server.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Runs the graph until every SaveImage shows a picture; their sizes and mean colours (without what is nearly white). */
async function run() {
  // Not by a click on the canvas: two in short order are a double click, which opens a search.
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => window.app.graph._nodes.filter((n) => n.type === "SaveImage").every((n) => n.imgs?.length > 0), null, { timeout: 120_000 });
  return page.evaluate(() => window.app.graph._nodes.filter((n) => n.type === "SaveImage").map(({ imgs: [picture] }) => {
    const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
    const pen = canvas.getContext("2d");
    pen.drawImage(picture, 0, 0);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    const sum = [0, 0, 0];
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (Math.min(data[i], data[i + 1], data[i + 2]) > 230) continue;
      for (let k = 0; k < 3; ++k) sum[k] += data[i + k];
      ++count;
    }
    return { width: canvas.width, height: canvas.height, coloured: count / (canvas.width * canvas.height), mean: sum.map((s) => s / count) };
  }));
}

test("the first graph asks the demonstration model for what it can draw", async () => {
  page = await openEditor(browser, server.url);
  const values = await page.evaluate(() => window.app.graph._nodes.map((n) => [n.type, n.widgets?.map((w) => w.value)]));
  const of = (type) => values.find(([name]) => name === type)[1];
  assert.deepEqual(of("CheckpointLoaderSimple"), ["comfyui-demo.safetensors"]);
  assert.deepEqual(of("EmptyLatentImage").slice(0, 3), [64, 64, 1]);
  assert.ok(values.some(([type, [text] = []]) => type === "CLIPTextEncode" && text === "a red apple, flat"));
  assert.ok(of("KSampler").includes(4), `cfg of the sampler, among ${of("KSampler")}`);
});

test("pressing Run shows a red thing on white without any editing", async () => {
  const [{ width, height, coloured, mean }] = await run();
  await shot(page, "demonstration");
  assert.deepEqual([width, height], [64, 64]);
  assert.ok(coloured > 0.15 && coloured < 0.9, `share of the picture that is not white: ${coloured}`);
  assert.ok(mean[0] > mean[1] + 60 && mean[0] > mean[2] + 60, `mean colour of the apple: ${mean}`);
  assert.deepEqual(page.errors, []);
});

test("the templates offer its example workflows, and each of them runs", { timeout: 280_000 }, async () => {
  const names = (await server.json("/workflow_templates"))["Demonstration model"];
  assert.deepEqual([...names].sort(), ["LoRA", "image to image", "inpainting", "text to image", "upscaled latent"]);
  for (const name of names) {
    await page.evaluate(() => window.app.extensionManager.command.execute("Comfy.BrowseTemplates"));
    const dialog = page.locator("[role=dialog]");
    await dialog.getByText("Demonstration model", { exact: true }).first().click();
    await dialog.getByText(name, { exact: true }).first().click();
    await page.waitForFunction(() => !document.querySelector("[role=dialog]"), null, { timeout: 30_000 });
    await graphIsThere(page);
    const pictures = await run();
    await shot(page, `demonstration ${name}`);
    for (const { coloured } of pictures) assert.ok(coloured > 0.1, `${name}: a picture that is all white`);
  }
});
