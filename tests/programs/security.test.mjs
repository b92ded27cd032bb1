// SPDX-License-Identifier: GPL-3.0-or-later
// Keys and certificates with the real program: who is let in, and what is read again.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get as httpsGet } from "node:https";
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
