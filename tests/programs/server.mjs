// SPDX-License-Identifier: GPL-3.0-or-later
// Starts the product with folders of its own, for tests.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Broker } from "../broker/broker.mjs";

const here = dirname(fileURLToPath(import.meta.url));

const bin = process.env.COMFY_BIN ?? join(here, "../../build/default/bin");

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A running server; `base` is its folder, `url` its address. */
export class Server {
  /**
   * checkpoint: a file that is offered as models/checkpoints/<checkpointName>. key: sent with every request of json().
   * transport: what is between the server and its worker, "socket" or "rabbitmq"; COMFY_TRANSPORT runs the same tests over either.
   */
  static async start({ checkpoint, checkpointName = "tiny.safetensors", args = [], base, environment = {}, key, transport = process.env.COMFY_TRANSPORT ?? "socket" } = {}) {
    const server = new Server();
    server.base = base ?? mkdtempSync(join(tmpdir(), "comfyui-test-"));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    if (checkpoint) {
      mkdirSync(join(server.base, "models/checkpoints"), { recursive: true });
      copyFileSync(checkpoint, join(server.base, "models/checkpoints", checkpointName));
    }
    server.args = ["--cwd", server.base, "--port", String(server.port), ...args];
    server.environment = environment;
    if (transport === "rabbitmq") server.moveToBroker();
    server.headers = key ? { Authorization: `Bearer ${key}` } : {};
    await server.launch();
    return server;
  }

  moveToBroker() {
    this.broker = new Broker().start();
    if (!this.args.includes("--workers")) this.broker.startWorker(this.args, this.environment);
    this.args.push("--distributed-queue-frontend", ...this.broker.link);
  }

  /** One thread is enough for the models of tests, and does not wait for a second core that is busy. */
  async launch() {
    this.log = "";
    this.process = spawn(join(bin, "comfyui"), this.args, { stdio: ["ignore", "pipe", "pipe"], env: { OMP_NUM_THREADS: "1", ...process.env, ...this.environment } });
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (text) => (this.log += text));
    this.exit = new Promise((resolve) => this.process.on("exit", (code, signal) => resolve({ code, signal })));
    for (let i = 0; i < 200; ++i) {
      if (this.process.exitCode !== null) throw new Error(`the server ended at once:\n${this.log}`);
      if (await this.ready()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the server does not answer:\n${this.log}`);
  }

  ready() {
    return fetch(`${this.url}/healthz`).then((r) => r.ok, () => false);
  }

  async json(path, body) {
    const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    options.headers = this.headers;
    const reply = await fetch(this.url + path, options);
    const text = await reply.text();
    return text ? JSON.parse(text) : null;
  }

  /** Waits until the prompt is in the history and returns its entry. */
  async finished(promptId, seconds = 60) {
    for (let i = 0; i < seconds * 20; ++i) {
      const history = await this.json(`/history/${promptId}`);
      if (history[promptId]) return history[promptId];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`prompt ${promptId} did not end in ${seconds} s:\n${this.log.slice(-3000)}`);
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill("SIGINT");
    const outcome = await this.exit;
    this.broker?.stop();
    rmSync(this.base, { recursive: true, force: true });
    return outcome;
  }
}
