// SPDX-License-Identifier: GPL-3.0-or-later
// The panels of the official editor, each as a user works it: settings, workflows, queue and history, templates, models.
// FRONTEND=1.27.10 takes that older package (run.sh installs it) in place of the product's own page.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Server } from "../programs/server.mjs";
import { editorArgs, launchBrowser, older, openEditor, shot, tinyCheckpoint } from "./page.mjs";

const label = older || "current";
const patience = { timeout: 30_000 };

let server, browser, page;

const press = async (keys) => {
  await page.mouse.click(1000, 840);
  await page.keyboard.press(keys);
};
/** Opens a side panel, or closes it. */
const panel = (name) => page.getByLabel(name, { exact: true }).first().click(patience);
/** The row of the open side panel with this text; the older editor shows names with their suffix. */
async function inPanel(text) {
  const shown = page.getByText(new RegExp(`^${text}(\\.json)?$`)).locator("visible=true");
  let best, top = -1;
  for (const one of await shown.all()) {
    const box = await one.boundingBox();
    if (box && box.x < 260 && box.y > top) [best, top] = [one, box.y];
  }
  assert.ok(top > 60, `"${text}" is not in the panel`);
  return best;
}
const saved = () => readdirSync(join(server.base, "user/default/workflows")).filter((name) => name.endsWith(".json") && !name.startsWith("."));
async function until(check, what) {
  for (let i = 0; i < 300; ++i) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(what);
}

before(async () => {
  server = await Server.start({ checkpoint: tinyCheckpoint(), args: editorArgs });
  browser = await launchBrowser();
  page = await openEditor(browser, server.url);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test("a setting that is changed in the dialog is kept", async () => {
  await press("Control+,");
  await page.getByText("Enable dev mode options").first().waitFor(patience);
  await page.evaluate(() => {
    let row = [...document.querySelectorAll("*")].filter((found) => found.children.length < 4 && found.textContent.trim() === "Enable dev mode options (API save, etc.)").at(-1);
    while (!row.querySelector("[role=switch], input[type=checkbox]")) row = row.parentElement;
    row.querySelector("[role=switch], input[type=checkbox]").click();
  });
  await until(async () => (await server.json("/settings"))["Comfy.DevMode"] === true, "the setting did not reach the server");
  await shot(page, `${label}-settings`);
  await page.keyboard.press("Escape");
});

test("a workflow is saved under a name, renamed in its panel and loaded again", async () => {
  await press("Control+s");
  await page.getByRole("dialog").getByRole("textbox").first().waitFor(patience);
  await page.keyboard.type("first flow");
  await page.keyboard.press("Enter");
  await until(() => existsSync(join(server.base, "user/default/workflows/first flow.json")), "no file was saved");
  assert.equal(JSON.parse(readFileSync(join(server.base, "user/default/workflows/first flow.json"))).nodes.length, 7);
  await panel("Workflows (w)");
  await until(async () => inPanel("first flow").then(() => true, () => false), "the workflow is not in its panel");
  await shot(page, `${label}-workflows`);
  await (await inPanel("first flow")).click({ button: "right", ...patience });
  await page.getByRole("menuitem", { name: "Rename" }).first().click(patience);
  await page.keyboard.press("Control+a");
  await page.keyboard.type("second flow");
  await page.keyboard.press("Enter");
  await until(() => saved().join() === "second flow.json", "the file was not renamed");
  await page.getByLabel("Create a new blank workflow").locator("visible=true").first().click(patience);
  await page.waitForFunction(() => window.app.graph._nodes.length === 0, null, patience);
  await until(async () => inPanel("second flow").then(() => true, () => false), "the renamed workflow is not in its panel");
  await (await inPanel("second flow")).click(patience);
  await page.waitForFunction(() => window.app.graph._nodes.length === 7, null, patience);
  await shot(page, `${label}-renamed`);
  await panel("Workflows (w)");
});

test("a finished prompt is shown with its picture where finished prompts are", async () => {
  const prompt = { 1: { class_type: "EmptyImage", inputs: { width: 64, height: 64, batch_size: 1, color: 0x336699 } },
    2: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "panel" } } };
  const { prompt_id } = await server.json("/prompt", { prompt });
  await server.finished(prompt_id);
  await panel(older ? "Queue (q)" : "Assets (a)");
  const picture = page.locator('img[src*="panel_00001_.png"]').first();
  await picture.waitFor(patience);
  await page.waitForFunction(() => [...document.querySelectorAll('img[src*="panel_00001_.png"]')].some((img) => img.naturalWidth === 64), null, patience);
  await shot(page, `${label}-history`);
  await panel(older ? "Queue (q)" : "Assets (a)");
  if (older) return;
  await page.getByTestId("queue-overlay-toggle").click(patience);
  await page.waitForTimeout(500);
  await shot(page, `${label}-queue`);
  await page.getByTestId("queue-overlay-toggle").click(patience);
});

test("the templates are listed and one of them opens", async () => {
  await page.getByLabel("Templates").first().click(patience);
  const cards = page.locator('[data-testid^="template-workflow-"]');
  await cards.first().waitFor(patience);
  await until(async () => (await cards.count()) > 5, "templates are missing");
  await shot(page, `${label}-templates`);
  await page.evaluate(() => window.app.graph.clear());
  await cards.first().dispatchEvent("click");
  await page.waitForFunction(() => window.app.graph._nodes.length > 0, null, patience);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
});

test("the model library shows the checkpoint in its folder", async () => {
  await panel("Model Library (m)");
  await page.getByText("checkpoints", { exact: true }).first().click(patience);
  await page.getByText("tiny", { exact: false }).last().waitFor(patience);
  await shot(page, `${label}-models`);
  assert.deepEqual(page.errors, []);
});
