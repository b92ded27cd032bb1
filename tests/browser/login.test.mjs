// SPDX-License-Identifier: GPL-3.0-or-later
// The official editor behind authentication: a ready URL logs in, and then everything is as without. Behind a
// proxy too; and what users upload runs nothing in the browser.
import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import { after, before, test } from "node:test";

import { Server } from "../programs/server.mjs";
import { graphIsThere, launchBrowser } from "./page.mjs";

let server, browser, entry;

before(async () => {
  server = await Server.start({ args: ["--authentication", "--trusted-proxy", "127.0.0.1"] });
  for (let i = 0; i < 100 && !entry; ++i) {
    entry = server.log.match(/http:\/\/\S+\/\?token=[0-9a-f]{64}/)?.[0];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function openPage(url) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.route(/^https?:\/\/(?!127\.0\.0\.1)/, (route) => route.abort());
  await page.goto(url);
  return { page, errors };
}

async function runsAPrompt(page) {
  await graphIsThere(page);
  await page.evaluate(() => {
    window.seen = [];
    for (const type of ["execution_success", "executed"]) window.app.api.addEventListener(type, (event) => window.seen.push([type, event.detail]));
  });
  await page.evaluate(async () => {
    const output = {
      1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 5 } },
      2: { class_type: "PreviewImage", inputs: { images: ["1", 0] } },
    };
    await window.app.api.queuePrompt(0, { output, workflow: {} });
  });
  await page.waitForFunction(() => window.seen.some(([type]) => type === "execution_success"), null, { timeout: 60_000 });
  const shown = await page.evaluate(async () => {
    const [, detail] = window.seen.find(([type]) => type === "executed");
    const { filename, type } = detail.output.images[0];
    return (await fetch(`/api/view?filename=${filename}&type=${type}`)).status;
  });
  assert.equal(shown, 200);
}

test("the ready URL opens the editor, whose socket and requests work", async () => {
  const { page, errors } = await openPage(entry);
  await runsAPrompt(page);
  assert.ok(!page.url().includes("token"), "the key is gone from the address");
  await page.evaluate(() => window.app.api.storeSetting("Comfy.Test", "x"));
  assert.equal(await page.evaluate(async () => (await fetch("/api/settings/Comfy.Test")).json()), "x");
  assert.deepEqual(errors, []);
});

test("without it there is a page that asks for the key", async () => {
  const { page } = await openPage(server.url);
  await page.waitForSelector("input[name=token]");
  assert.equal((await page.request.get(`${server.url}/api/queue`)).status(), 401);
  await page.fill("input[name=token]", "wrong");
  await page.click("button");
  await page.waitForSelector("input[name=token]");
  await page.fill("input[name=token]", entry.split("token=")[1]);
  await page.click("button");
  await runsAPrompt(page);
});

/** A reverse proxy as most are set up: it speaks to the server under the server's own name and tells the one it was asked for. */
async function proxyTo(port) {
  const forwarded = (request) => ({
    host: "127.0.0.1", port, method: request.method, path: request.url,
    headers: { ...request.headers, host: `127.0.0.1:${port}`, "x-forwarded-host": request.headers.host, "x-forwarded-proto": "http", "x-forwarded-for": "203.0.113.9" },
  });
  const proxy = createServer((request, response) => {
    const upstream = httpRequest(forwarded(request), (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    upstream.on("error", () => response.destroy());
    request.pipe(upstream);
  });
  proxy.on("upgrade", (request, socket) => {
    const upstream = httpRequest(forwarded(request));
    upstream.on("upgrade", (answer, other, first) => {
      const fields = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
      socket.write(first);
      for (const end of [socket, other]) end.on("error", () => {});
      other.pipe(socket);
      socket.pipe(other);
    });
    upstream.on("response", (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} refused\r\n\r\n`));
    upstream.on("error", () => socket.destroy());
    upstream.end();
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return proxy;
}

test("through a reverse proxy, which is another origin, it works the same", async () => {
  const proxy = await proxyTo(server.port);
  try {
    const { page, errors } = await openPage(entry.replace(`:${server.port}/`, `:${proxy.address().port}/`));
    await runsAPrompt(page);
    assert.deepEqual(errors, []);
    await page.context().close();
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("what a user uploads runs nothing in the browser of another", async () => {
  const { page } = await openPage(entry);
  await graphIsThere(page);
  const script = (name) => `localStorage.setItem("ran", (localStorage.getItem("ran") ?? "") + " ${name}")`;
  const files = {
    "evil.html": `<script>${script("html")}</script>`,
    "evil.xhtml": `<html xmlns="http://www.w3.org/1999/xhtml"><script>${script("xhtml")}</script></html>`,
    "evil.svg": `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>${script("svg")}</script></svg>`,
    "evil.js": script("js"),
    "evil.png": `<html><script>${script("png")}</script></html>`,
  };
  for (const [name, text] of Object.entries(files)) {
    const status = await page.evaluate(async ([file, content]) => {
      const form = new FormData();
      form.append("image", new Blob([content]), file);
      return (await fetch("/upload/image", { method: "POST", body: form })).status;
    }, [name, text]);
    assert.equal(status, 200, name);
  }
  for (const name of Object.keys(files)) {
    const url = `/view?type=input&filename=${name}`;
    // As a tab of its own, in a frame, as a picture, as a script and as a module.
    const tab = await page.context().newPage();
    await tab.goto(new URL(url, server.url).href).catch(() => {});
    await tab.waitForTimeout(200);
    await tab.close();
    await page.evaluate(async (address) => {
      const loaded = (element) => new Promise((resolve) => {
        element.onload = element.onerror = resolve;
        setTimeout(resolve, 300);
        document.body.append(element);
      });
      await loaded(Object.assign(document.createElement("iframe"), { src: address }));
      await loaded(Object.assign(document.createElement("img"), { src: address }));
      await loaded(Object.assign(document.createElement("script"), { src: address }));
      await import(address).catch(() => {});
    }, url);
  }
  assert.equal(await page.evaluate(() => localStorage.getItem("ran")), null);
  // The picture itself is shown where pictures are.
  const width = await page.evaluate(async () => {
    const picture = new Image();
    picture.src = "/view?type=input&filename=evil.svg";
    await picture.decode();
    return picture.naturalWidth;
  });
  assert.equal(width, 9);
});
