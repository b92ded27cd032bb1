// SPDX-License-Identifier: GPL-3.0-or-later
// A private RabbitMQ and workers that take their work from it, for tests.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bin = process.env.COMFY_BIN ?? join(here, "../../build/default/bin");

export class Broker {
  workers = [];
  folder = mkdtempSync(join(tmpdir(), "comfyui-broker-"));

  start() {
    this.uri = `amqp://guest:guest@127.0.0.1:${this.node("start", String(process.pid))}`;
    this.link = ["--distributed-queue-connection-uri", this.uri];
    return this;
  }
  kill = () => this.node("kill");
  node(command, ...words) {
    return execFileSync(join(here, "rabbitmq_node"), [command, this.folder, ...words], { encoding: "utf8" }).trim();
  }

  /** args: as a server would hand them on to a worker of its own. */
  startWorker(args, environment = {}) {
    const worker = spawn(join(bin, "comfyui-worker"), [...args, ...this.link], { stdio: ["ignore", "ignore", "pipe"], env: { OMP_NUM_THREADS: "1", ...process.env, ...environment } });
    worker.log = "";
    worker.stderr.on("data", (text) => (worker.log += text));
    this.workers.push(worker);
  }

  stop() {
    for (const worker of this.workers) worker.kill("SIGKILL");
    this.node("stop");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
