// SPDX-License-Identifier: GPL-3.0-or-later
// A frontend and workers of the product around a real, private RabbitMQ, for tests.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { Server } from "../programs/server.mjs";
import { Broker } from "./broker.mjs";

/** Sizes differ, so that no prompt is answered from the cache of another. */
const workflow = (number, file) => ({
  1: { class_type: "EmptyImage", inputs: { width: 16 + number, height: 16, batch_size: 1, color: number } },
  2: { class_type: "ImageInvert", inputs: { image: ["1", 0] } },
  3: { class_type: "SaveImage", inputs: { images: ["2", 0], filename_prefix: file } },
});

export class Cluster {
  static async start({ workers = 2 } = {}) {
    const cluster = new Cluster();
    cluster.broker = new Broker().start();
    cluster.frontend = await Server.start({ transport: "socket", args: ["--distributed-queue-frontend", ...cluster.broker.link] });
    for (let i = 0; i < workers; ++i) cluster.startWorker();
    return cluster;
  }

  async stop() {
    this.broker.stop();
    await this.frontend?.stop();
  }

  startBroker = () => this.broker.start();
  killBroker = () => this.broker.kill();
  get workers() {
    return this.broker.workers;
  }
  startWorker(more = []) {
    this.broker.startWorker(["--cwd", this.frontend.base, ...more]);
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
