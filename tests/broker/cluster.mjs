// SPDX-License-Identifier: GPL-3.0-or-later
// A frontend and workers of the product around a real, private RabbitMQ, for tests.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Server } from "../programs/server.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const bin = process.env.COMFY_BIN ?? join(here, "../../build/default/bin");

/** Sizes differ, so that no prompt is answered from the cache of another. */
const workflow = (number, file) => ({
  1: { class_type: "EmptyImage", inputs: { width: 16 + number, height: 16, batch_size: 1, color: number } },
  2: { class_type: "ImageInvert", inputs: { image: ["1", 0] } },
  3: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: file } },
});

export class Cluster {
  workers = [];

  static async start({ workers = 2 } = {}) {
    const cluster = new Cluster();
    cluster.folder = mkdtempSync(join(tmpdir(), "comfyui-broker-"));
    const port = cluster.startBroker();
    cluster.uri = `amqp://guest:guest@127.0.0.1:${port}`;
    cluster.frontend = await Server.start({ args: ["--distributed-queue-frontend", "--distributed-queue-connection-uri", cluster.uri] });
    for (let i = 0; i < workers; ++i) cluster.startWorker();
    return cluster;
  }

  async stop() {
    for (const worker of this.workers) worker.kill("SIGKILL");
    await this.frontend?.stop();
    this.node("stop");
    rmSync(this.folder, { recursive: true, force: true });
  }

  node(command, ...words) {
    return execFileSync(join(here, "rabbitmq_node"), [command, this.folder, ...words], { encoding: "utf8" }).trim();
  }
  startBroker = () => this.node("start", String(process.pid));
  killBroker = () => this.node("kill");

  startWorker() {
    const args = ["--cwd", this.frontend.base, "--distributed-queue-connection-uri", this.uri];
    const worker = spawn(join(bin, "comfyui-worker"), args, { stdio: ["ignore", "ignore", "pipe"], env: { OMP_NUM_THREADS: "1", ...process.env } });
    worker.log = "";
    worker.stderr.on("data", (text) => (worker.log += text));
    this.workers.push(worker);
  }

  async submit(number, file) {
    return (await this.frontend.json("/prompt", { prompt: workflow(number, file) })).prompt_id;
  }
  async submitAll(count, file) {
    const ids = [];
    for (let i = 0; i < count; ++i) ids.push(await this.submit(i, file));
    return ids;
  }
  files(prefix) {
    return readdirSync(join(this.frontend.base, "output")).filter((name) => name.startsWith(prefix));
  }
  /** All ended well, and each left one file. */
  async allEnded(ids, prefix, seconds = 60) {
    for (const id of ids) assert.equal((await this.frontend.finished(id, seconds)).status.status_str, "success");
    assert.equal(this.files(prefix).length, ids.length);
  }

  async brokerState() {
    return (await (await fetch(`${this.frontend.url}/readyz`)).json()).parts.broker;
  }
  async brokerIsMissed() {
    for (let i = 0; i < 200; ++i) {
      if (!(await this.brokerState()).connected) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the frontend did not notice that the broker is gone:\n${this.frontend.log.slice(-2000)}`);
  }
}
