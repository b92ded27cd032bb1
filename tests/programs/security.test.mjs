// SPDX-License-Identifier: GPL-3.0-or-later
// Keys, certificates and secrets, with the real program: who is let in, what is read again, what never leaves.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { get as httpsGet } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Server } from "./server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const bin = process.env.COMFY_BIN ?? join(here, "../../build/default/bin");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const line = (name, role, key) => `${name}:${role}:${createHash("sha256").update(key).digest("hex")}\n`;
const bearer = (key) => ({ Authorization: `Bearer ${key}` });

/** Tries until `check` returns a truthy value. */
async function until(check, what) {
  for (let i = 0; i < 100; ++i) {
    const value = await check();
    if (value) return value;
    await pause(50);
  }
  assert.fail(`never came true: ${what}`);
}

/** The end and the words of a start that is refused. */
function refusedStart(...args) {
  const base = mkdtempSync(join(tmpdir(), "comfyui-test-"));
  const ended = spawnSync(join(bin, "comfyui"), ["--cwd", base, "--port", "0", "--workers", "0", ...args], { encoding: "utf8", timeout: 20_000 });
  rmSync(base, { recursive: true, force: true });
  return { code: ended.status, text: ended.stderr };
}

test("a key is made, shown once, kept as its hash and asked for after a restart", async () => {
  const server = await Server.start({ args: ["--authentication", "--workers", "0"] });
  try {
    const url = await until(() => server.log.match(/http:\/\/127\.0\.0\.1:\d+\/\?token=([0-9a-f]{64})/), "the ready URL");
    const key = url[1];
    assert.equal((await fetch(`${server.url}/queue`)).status, 401);
    assert.equal((await fetch(`${server.url}/queue`, { headers: bearer(key) })).status, 200);
    const entry = await fetch(url[0], { redirect: "manual" });
    assert.equal(entry.status, 303);
    const cookie = entry.headers.get("set-cookie").split(";")[0];
    assert.equal((await fetch(`${server.url}/`, { headers: { cookie } })).status, 200);
    const logs = await (await fetch(`${server.url}/internal/logs/raw`, { headers: bearer(key) })).text();
    assert.ok(!logs.includes(key), "the page's log does not show the key");
    const folder = join(server.base, "user/.access");
    for (const name of readdirSync(folder)) {
      assert.ok(!readFileSync(join(folder, name), "utf8").includes(key), name);
      assert.equal(statSync(join(folder, name)).mode & 0o77, 0, `${name} is for its owner alone`);
    }
    server.process.kill("SIGINT");
    await server.exit;
    await server.launch();
    await pause(300);
    assert.ok(!server.log.includes("token="), "shown once");
    assert.equal((await fetch(`${server.url}/queue`, { headers: bearer(key) })).status, 200);
    assert.equal((await fetch(`${server.url}/queue`, { headers: { cookie } })).status, 200, "browsers stay logged in");
    assert.equal((await fetch(`${server.url}/userdata/..%2F.access%2Fgenerated.key`, { headers: bearer(key) })).status, 403);
  } finally {
    await server.stop();
  }
});

test("a file of keys is read again on SIGHUP, and a bad one changes nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "comfyui-keys-"));
  const file = join(folder, "keys");
  writeFileSync(file, line("ann", "submit", "first"));
  const server = await Server.start({ args: ["--api-key-file", file, "--workers", "0"] });
  const status = async (key) => (await fetch(`${server.url}/queue`, { headers: bearer(key) })).status;
  try {
    assert.equal(await status("first"), 200);
    assert.equal(await status("second"), 401);
    writeFileSync(file, line("ann", "submit", "second"));
    server.process.kill("SIGHUP");
    await until(async () => (await status("second")) === 200, "the new key");
    assert.equal(await status("first"), 401);
    writeFileSync(file, "nonsense\n");
    server.process.kill("SIGHUP");
    await until(() => server.log.includes("kept as it was"), "the complaint");
    assert.equal(await status("second"), 200);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a start with keys that cannot be meant is refused", () => {
  for (const [args, words] of [
    [["--api-key-file", "/nowhere/keys"], /api-key-file/],
    [["--jwt-key-file", "/nowhere/key"], /jwt-key-file/],
    [["--authentication", "--insecure-no-auth"], /exclude each other/],
    [["--tls-certfile", "/nowhere/cert"], /given together/],
    [["--tls-certfile", "/nowhere/cert", "--tls-keyfile", "/nowhere/key"], /tls-certfile/],
    [["--tls-client-ca", "/nowhere/ca"], /tls-certfile/],
    [["--trusted-proxy", "proxy.example"], /trusted-proxy/],
    [["--allowed-origin", "app.example"], /origin/],
  ]) {
    const { code, text } = refusedStart(...args);
    assert.notEqual(code, 0, args.join(" "));
    assert.match(text, words, args.join(" "));
  }
});

/** A picture of one colour, as the server itself makes it. */
async function picture(server, headers, color) {
  const prompt = {
    1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color } },
    2: { class_type: "PreviewImage", inputs: { images: ["1", 0] } },
  };
  const entry = await runs(server, headers, prompt);
  const { filename, type } = entry.outputs[2].images[0];
  return Buffer.from(await (await fetch(`${server.url}/view?filename=${filename}&type=${type}`, { headers })).arrayBuffer());
}

async function runs(server, headers, prompt, extra_data = {}) {
  const reply = await (await fetch(`${server.url}/prompt`, { method: "POST", headers, body: JSON.stringify({ prompt, extra_data }) })).json();
  assert.ok(reply.prompt_id, JSON.stringify(reply));
  const entry = await until(async () => (await (await fetch(`${server.url}/history/${reply.prompt_id}`, { headers })).json())[reply.prompt_id], "the end");
  assert.equal(entry.status.status_str, "success", JSON.stringify(entry.status));
  return entry;
}

test("with --multi-user each user's prompts read and write that user's folders", async () => {
  const folder = mkdtempSync(join(tmpdir(), "comfyui-users-"));
  writeFileSync(join(folder, "keys"), line("ann", "submit", "a") + line("bob", "submit", "b"));
  const server = await Server.start({ args: ["--multi-user", "--api-key-file", join(folder, "keys")] });
  try {
    for (const [key, color] of [["a", 0xff0000], ["b", 0x0000ff]]) {
      const form = new FormData();
      form.append("image", new Blob([await picture(server, bearer(key), color)]), "same.png");
      assert.equal((await fetch(`${server.url}/upload/image`, { method: "POST", headers: bearer(key), body: form })).status, 200);
    }
    const saved = {
      1: { class_type: "LoadImage", inputs: { image: "same.png" } },
      2: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "copy" } },
    };
    for (const key of ["a", "b"]) await runs(server, bearer(key), saved);
    const [ann, bob] = ["ann", "bob"].map((name) => readFileSync(join(server.base, "output", name, "copy_00001_.png")));
    assert.notDeepEqual(ann, bob, "each one's own picture");
    assert.equal((await fetch(`${server.url}/view?filename=copy_00001_.png`, { headers: bearer("a") })).status, 200);
    assert.equal((await fetch(`${server.url}/view?filename=copy_00002_.png`, { headers: bearer("a") })).status, 404);
    // What one user's prompt has made is saved once more for the other, whose folder it must lie in.
    const same = { 1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 9 } }, 2: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "same" } } };
    for (const key of ["a", "b"]) {
      const [{ filename }] = (await runs(server, bearer(key), same)).outputs[2].images;
      assert.equal((await fetch(`${server.url}/view?filename=${filename}`, { headers: bearer(key) })).status, 200);
    }
    // A file that only the other has is no file at all.
    const form = new FormData();
    form.append("image", new Blob([ann]), "anns.png");
    await fetch(`${server.url}/upload/image`, { method: "POST", headers: bearer("a"), body: form });
    saved[1].inputs.image = "anns.png";
    assert.equal((await fetch(`${server.url}/prompt`, { method: "POST", headers: bearer("b"), body: JSON.stringify({ prompt: saved }) })).status, 400);
    await runs(server, bearer("a"), saved);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

function openssl(...args) {
  execFileSync("openssl", args, { stdio: "pipe" });
}

/** A certificate for 127.0.0.1, with its key. */
function certificate(folder, name) {
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", `/CN=${name}`,
    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.pem`));
}

const securely = (url, options) =>
  new Promise((resolve) => {
    const request = httpsGet(url, { agent: false, ...options }, (reply) => {
      reply.resume();
      resolve({ status: reply.statusCode, headers: reply.headers, version: reply.socket.getProtocol(), peer: reply.socket.getPeerCertificate().subject?.CN });
    });
    request.on("error", (error) => resolve({ error }));
  });

test("HTTPS, its reload, and clients' certificates", async () => {
  const folder = mkdtempSync(join(tmpdir(), "comfyui-tls-"));
  for (const name of ["first", "second", "client"]) certificate(folder, name);
  const read = (name) => readFileSync(join(folder, name));
  const write = (name) => ["pem", "key"].forEach((end) => writeFileSync(join(folder, `live.${end}`), read(`${name}.${end}`)));
  write("first");
  const server = new Server();
  server.base = mkdtempSync(join(tmpdir(), "comfyui-test-"));
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const url = `https://127.0.0.1:${port}`;
  server.environment = {};
  server.url = url;
  server.args = ["--cwd", server.base, "--port", String(port), "--workers", "0", "--tls-certfile", join(folder, "live.pem"), "--tls-keyfile", join(folder, "live.key"),
    "--tls-client-ca", join(folder, "client.pem"), "--external-address", `https://127.0.0.1:${port}`, "--api-key-file", join(folder, "keys")];
  writeFileSync(join(folder, "keys"), line("ann", "submit", "key"));
  const known = { ca: [read("first.pem"), read("second.pem")], cert: read("client.pem"), key: read("client.key") };
  server.ready = async () => (await securely(`${url}/healthz`, known)).status === 200;
  await server.launch();
  try {
    const reply = await securely(`${url}/?token=key`, known);
    assert.equal(reply.status, 303);
    assert.match(reply.headers["set-cookie"][0], /; Secure/);
    assert.match(reply.headers["strict-transport-security"], /max-age/);
    assert.equal(reply.peer, "first");
    assert.equal((await securely(`${url}/healthz`, { ...known, maxVersion: "TLSv1.2" })).version, "TLSv1.2");
    assert.ok((await securely(`${url}/healthz`, { ...known, maxVersion: "TLSv1.1", minVersion: "TLSv1" })).error, "no old TLS");
    assert.ok((await securely(`${url}/healthz`, { ca: known.ca })).error, "no client without a certificate");
    assert.ok((await securely(`${url}/healthz`, { ...known, cert: read("second.pem"), key: read("second.key") })).error, "nor with another's");
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
    write("second");
    server.process.kill("SIGHUP");
    await until(async () => (await securely(`${url}/healthz`, known)).peer === "second", "the second certificate");
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The processes that this one has started. */
function childrenOf(pid) {
  const lists = readdirSync(`/proc/${pid}/task`).map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8"));
  return lists.join(" ").split(" ").filter(Boolean);
}

test("a worker gets secrets by its environment, not by its command line, which everybody can read", async () => {
  const server = await Server.start({ args: ["--openai-api-key", "canary-8c1f", "--cache-none"] });
  try {
    const wordsOf = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    // Until it has become the worker, a child shows the words of its parent.
    const isWorker = (pid) => wordsOf(pid)[0].endsWith("comfyui-worker");
    const workers = await until(() => { const found = childrenOf(server.process.pid).filter(isWorker); return found.length && found; }, "a worker");
    for (const pid of workers) {
      const words = wordsOf(pid);
      assert.ok(words.includes("--cache-none"), words.join(" "));
      assert.ok(!words.join(" ").includes("canary"), words.join(" "));
      assert.ok(readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes("OPENAI_API_KEY=canary-8c1f"));
      assert.equal(statSync(`/proc/${pid}/environ`).mode & 0o77, 0, "an environment is its owner's alone");
    }
  } finally {
    await server.stop();
  }
});

test("both programs have given up what they never need", async () => {
  const server = await Server.start();
  try {
    const isWorker = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0].endsWith("comfyui-worker");
    const workers = await until(() => { const found = childrenOf(server.process.pid).filter(isWorker); return found.length && found; }, "a worker");
    for (const pid of [server.process.pid, ...workers]) {
      assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^NoNewPrivs:\t1$/m, "no program that it starts has more rights");
      assert.match(readFileSync(`/proc/${pid}/limits`, "utf8"), /^Max core file size +0 +0 /m, "a crash leaves no memory on the disk");
    }
    assert.equal(server.log.includes("running as root"), process.getuid() === 0);
  } finally {
    await server.stop();
  }
});

test("no secret leaves in answers, logs, the store after a job, or pictures", async () => {
  const folder = mkdtempSync(join(tmpdir(), "comfyui-canary-"));
  const canary = (name) => `canary-${name}-8c1f`;
  writeFileSync(join(folder, "keys"), line("root", "admin", canary("key")));
  writeFileSync(join(folder, "jwt"), canary("jwt").padEnd(40, "x"));
  const server = await Server.start({
    key: canary("key"),
    args: ["--api-key-file", join(folder, "keys"), "--jwt-key-file", join(folder, "jwt"), "--jwt-algorithm", "HS256", "--openai-api-key", canary("option"), "--verbose", "DEBUG"],
    environment: { COMFYUI_IDEOGRAM_API_KEY: canary("environment") },
  });
  try {
    const graph = {
      1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 7 } },
      2: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "canary" } },
    };
    const extra = { auth_token_comfy_org: canary("token"), api_key_comfy_org: canary("service"), extra_pnginfo: { workflow: { id: "w" } } };
    const { prompt_id } = await server.json("/prompt", { prompt: graph, client_id: "c", extra_data: extra });
    await server.finished(prompt_id, 60);
    await fetch(`${server.url}/?token=${canary("url")}`);
    await fetch(`${server.url}/queue`, { headers: bearer(canary("wrong")) });
    await fetch(`${server.url}/queue`, { headers: { Authorization: `Basic ${Buffer.from(`a:${canary("basic")}`).toString("base64")}` } });
    const paths = ["/system_stats", "/features", "/queue", "/history", `/history/${prompt_id}`, "/api/jobs", `/api/jobs/${prompt_id}`, "/settings", "/users",
      "/internal/logs", "/internal/logs/raw", "/internal/folder_paths", "/experiment/models", "/object_info", "/prompt", "/readyz", "/metrics", "/extensions"];
    const texts = new Map();
    for (const path of paths) {
      const reply = await fetch(server.url + path, { headers: server.headers });
      texts.set(path, JSON.stringify([...reply.headers]) + (await reply.text()));
    }
    texts.set("the log", server.log);
    for (const name of readdirSync(join(server.base, "output"), { recursive: true })) {
      const file = join(server.base, "output", name);
      if (statSync(file).isFile()) texts.set(name, readFileSync(file, "latin1"));
    }
    server.process.kill("SIGINT");
    await server.exit;
    for (const name of readdirSync(join(server.base, "user"), { recursive: true })) {
      const file = join(server.base, "user", name);
      if (statSync(file).isFile()) texts.set(name, readFileSync(file, "latin1"));
    }
    for (const [where, text] of texts) {
      assert.ok(!text.includes("8c1f"), `${where}: ${text.slice(Math.max(0, text.indexOf("8c1f") - 100), text.indexOf("8c1f") + 20)}`);
      if (where.startsWith("/")) assert.ok(!text.includes(server.base), `${where} shows a path of this machine`);
    }
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("--disable-metadata leaves neither prompt nor workflow in any picture", async () => {
  const server = await Server.start({ args: ["--disable-metadata"] });
  try {
    const graph = {
      1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: 7 } },
      2: { class_type: "SaveImage", inputs: { images: ["1", 0], filename_prefix: "bare" } },
      3: { class_type: "PreviewImage", inputs: { images: ["1", 0] } },
    };
    const { outputs } = await runs(server, {}, graph, { extra_pnginfo: { workflow: { note: "canary-8c1f" } } });
    for (const node of [2, 3]) {
      const { filename, type } = outputs[node].images[0];
      const bytes = await (await fetch(`${server.url}/view?filename=${filename}&type=${type}`)).text();
      for (const word of ["tEXt", "iTXt", "zTXt", "eXIf", "EmptyImage", "canary"]) assert.ok(!bytes.includes(word), `${type} ${word}`);
    }
  } finally {
    await server.stop();
  }
});

test("an upload that a kill cuts off leaves no file, and the next one is whole", async () => {
  const server = await Server.start({ args: ["--workers", "0"] });
  try {
    const content = "x".repeat(4_000_000);
    const body = `--b\r\nContent-Disposition: form-data; name="image"; filename="cut.png"\r\n\r\n${content}\r\n--b--\r\n`;
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`POST /upload/image HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\n\r\n`);
    await new Promise((resolve) => socket.write(body.slice(0, 3_000_000), resolve));
    await pause(200);
    server.process.kill("SIGKILL");
    await server.exit;
    socket.destroy();
    await server.launch();
    assert.deepEqual(readdirSync(join(server.base, "input")), []);
    const form = new FormData();
    form.append("image", new Blob([content]), "cut.png");
    assert.equal((await fetch(`${server.url}/upload/image`, { method: "POST", body: form })).status, 200);
    assert.equal(statSync(join(server.base, "input/cut.png")).size, content.length);
  } finally {
    await server.stop();
  }
});

test("no prompt makes a program here fetch a URL", async () => {
  let asked = 0;
  const elsewhere = createServer((_, response) => { ++asked; response.end(); });
  await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  const server = await Server.start();
  try {
    const url = `http://127.0.0.1:${elsewhere.address().port}/a.png`;
    const save = (from) => ({ class_type: "SaveImage", inputs: { images: [from, 0], filename_prefix: "x" } });
    for (const [type, input] of [["LoadImage", "image"], ["LoadImageMask", "image"], ["CheckpointLoaderSimple", "ckpt_name"], ["VAELoader", "vae_name"]]) {
      const prompt = { 1: { class_type: type, inputs: { [input]: url, channel: "red" } }, 2: save("1") };
      assert.equal((await fetch(`${server.url}/prompt`, { method: "POST", body: JSON.stringify({ prompt }) })).status, 400, type);
    }
    for (const path of [`/view?filename=${encodeURIComponent(url)}`, `/view_metadata/checkpoints?filename=${encodeURIComponent(url)}`, `/userdata/${encodeURIComponent(url)}`])
      assert.ok((await fetch(server.url + path)).status >= 400, path);
    assert.equal(asked, 0);
  } finally {
    await server.stop();
    elsewhere.close();
  }
});
