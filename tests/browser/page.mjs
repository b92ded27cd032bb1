// SPDX-License-Identifier: GPL-3.0-or-later
// What the browser tests share: Chromium, the editor in it, and pictures of what it showed.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "comfyui-distributed");
const checkpoint = join(cache, "models/tiny_sd15.safetensors");

/** A small checkpoint; made at the first call. */
export function tinyCheckpoint() {
  if (!existsSync(checkpoint)) execFileSync("python3", [join(root, "tests/models/make_tiny_sd15.py"), checkpoint]);
  return checkpoint;
}

/** The older package of the editor that FRONTEND names (run.sh installs it); empty for the product's own page. */
export const older = process.env.FRONTEND ?? "";
export const editorArgs = older ? ["--front-end-root", join(cache, `frontend-${older}/comfyui_frontend_package/static`)] : [];

export const launchBrowser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--use-gl=swiftshader", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });

// That older package's own trouble with the order of its settings; it shows with ComfyUI's server too.
const known = /Cannot read properties of undefined \(reading 'id'\)/;
// Files that a new user does not have yet, what a model does not carry, and pictures of templates, which are not installed.
const mayBeAbsent = /\/user\.css$|\/userdata(\?dir=|\/)|\/models\/preview\/|\/view_metadata\/|\/templates\/.*\.(webp|jpg|png|mp4|mp3)$/;

/** Opens the editor in a fresh profile and waits for its graph; `page.errors` collects what its scripts throw and what the server refuses. */
export async function openEditor(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => known.test(String(error)) || page.errors.push(error.stack ?? String(error)));
  page.on("response", (reply) => {
    const expected = reply.status() === 404 && mayBeAbsent.test(reply.url());
    if (reply.status() >= 400 && !expected) page.errors.push(`${reply.status()} ${reply.request().method()} ${reply.url()}`);
  });
  await page.route(/^https?:\/\/(?!127\.0\.0\.1)/, (route) => route.abort());
  await page.goto(url);
  await graphIsThere(page);
  return page;
}

export const graphIsThere = (page) => page.waitForFunction(() => window.app?.graph?._nodes?.length > 0, null, { timeout: 60_000 });

/** Leaves a picture in the folder COMFY_SCREENSHOTS when that is set. */
export async function shot(page, name) {
  const folder = process.env.COMFY_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
