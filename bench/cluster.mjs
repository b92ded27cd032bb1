#!/usr/bin/env -S node --experimental-websocket --no-warnings
// SPDX-License-Identifier: GPL-3.0-or-later
// What a cluster costs and how fast it recovers: a frontend, workers and a real, private RabbitMQ on this machine.
//
// usage: cluster.mjs [--prompts N]
import { setTimeout as pause } from "node:timers/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { Cluster } from "../tests/broker/cluster.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values: options } = parseArgs({ options: { prompts: { type: "string", default: "100" } } });
const count = Number(options.prompts);
const plugins = ["--plugin-directory", join(root, "build/default/plugins")];

function print(name, unit, samples, more = {}) {
  const values = [...samples].sort((a, b) => a - b);
  const at = (share) => values[Math.min(values.length - 1, Math.floor(values.length * share))];
  console.log(JSON.stringify({ bench: "cluster", case: name, value: at(0.5), unit, n: values.length, median: at(0.5), min: values[0],
    p99: at(0.99), max: values.at(-1), baseline: null, ratio: null, ...more }));
}

/** The messages of one client, with the time at which each came. */
class Listener {
  messages = [];
  waiting = [];

  static async open(cluster) {
    const listener = new Listener();
    listener.id = `bench-${Math.random()}`;
    listener.socket = new WebSocket(`${cluster.frontend.url.replace("http", "ws")}/ws?clientId=${listener.id}`);
    listener.socket.addEventListener("message", ({ data }) => {
      if (typeof data !== "string") return;
      listener.messages.push({ ...JSON.parse(data), came: performance.now(), date: Date.now() });
      listener.waiting = listener.waiting.filter((look) => !look());
    });
    await new Promise((resolve, reject) => {
      listener.socket.addEventListener("open", resolve);
      listener.socket.addEventListener("error", reject);
    });
    return listener;
  }

  /** The first message of that type about that prompt since `from`, now or later. */
  async heard(type, id, from = 0) {
    const find = () => this.messages.find((m) => m.type === type && m.data.prompt_id === id && m.came >= from);
    if (find()) return find();
    const later = new Promise((resolve) => this.waiting.push(() => find() && (resolve(find()), true)));
    const late = pause(120_000, null, { ref: false }).then(() => { throw new Error(`no ${type} of ${id} in two minutes`); });
    return Promise.race([later, late]);
  }

  async submit(cluster, prompt) {
    const answer = await cluster.frontend.json("/prompt", { prompt, client_id: this.id });
    if (!answer.prompt_id) throw new Error(JSON.stringify(answer));
    return answer.prompt_id;
  }
}

/** The picture's colour makes each prompt another one. */
let number = 0;
const sleeping = (seconds) => ({
  1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: ++number } },
  2: { class_type: "TestSleep", inputs: { value: ["1", 0], seconds } },
  3: { class_type: "PreviewImage", inputs: { images: ["2", 0] } },
});
const quick = () => ({
  1: { class_type: "EmptyImage", inputs: { width: 8, height: 8, batch_size: 1, color: ++number } },
  2: { class_type: "PreviewImage", inputs: { images: ["1", 0] } },
});

async function workersAre(cluster, wanted) {
  for (let i = 0; i < 600; ++i) {
    const text = await (await fetch(`${cluster.frontend.url}/metrics`)).text();
    if (Number(/^comfyui_workers (\d+)/m.exec(text)?.[1]) === wanted) return;
    await pause(100);
  }
  throw new Error(`there are not ${wanted} workers after a minute:\n${cluster.frontend.log.slice(-2000)}`);
}

async function roundTrips(cluster, listener) {
  const started = [], ended = [], delays = [];
  for (let i = 0; i < count; ++i) {
    const sent = performance.now();
    const id = await listener.submit(cluster, quick());
    const begin = await listener.heard("execution_start", id);
    started.push(begin.came - sent);
    delays.push(begin.date - begin.data.timestamp);
    ended.push((await listener.heard("execution_success", id)).came - sent);
  }
  print("post_to_execution_start", "ms", started);
  print("post_to_execution_success", "ms", ended);
  print("event_worker_to_client", "ms", delays, { resolution: 1 });
}

async function perSecond(cluster, listener, seconds, prompts) {
  const begin = performance.now();
  const ids = [];
  for (let i = 0; i < prompts; ++i) ids.push(await listener.submit(cluster, sleeping(seconds)));
  for (const id of ids) await listener.heard("execution_success", id);
  return (1000 * prompts) / (performance.now() - begin);
}

async function throughput(cluster, listener) {
  const one = await perSecond(cluster, listener, 0.5, 20);
  for (let i = 0; i < 2; ++i) cluster.startWorker(plugins);
  await workersAre(cluster, 3);
  const three = await perSecond(cluster, listener, 0.5, 60);
  print("three_workers_half_second_nodes", "prompts/s", [three], { baseline: "one worker", baseline_value: one, ratio: one / three, gain: three / one });
}

async function deadWorker(cluster, listener) {
  // One worker is left, so it is known who runs the prompt.
  for (const worker of cluster.workers.splice(1)) worker.kill("SIGTERM");
  await workersAre(cluster, 1);
  const id = await listener.submit(cluster, sleeping(5));
  await listener.heard("execution_start", id);
  cluster.startWorker(plugins);
  await workersAre(cluster, 2);
  await pause(1000);
  const [busy] = cluster.workers.splice(0, 1);
  const killed = performance.now();
  busy.kill("SIGKILL");
  print("worker_killed_to_running_elsewhere", "ms", [(await listener.heard("execution_start", id, killed)).came - killed]);
  await listener.heard("execution_success", id, killed);
}

async function deadFrontend(cluster, listener) {
  const id = await listener.submit(cluster, quick());
  await listener.heard("execution_success", id);
  cluster.frontend.process.kill("SIGKILL");
  await cluster.frontend.exit;
  const begin = performance.now();
  const launched = cluster.frontend.launch();
  for (;;) {
    const known = await fetch(`${cluster.frontend.url}/history/${id}`).then((r) => r.json(), () => ({}));
    if (known[id]) break;
    await pause(5);
  }
  print("frontend_started_to_serving_an_old_id", "ms", [performance.now() - begin]);
  await launched;
}

async function deadBroker(cluster) {
  cluster.killBroker();
  await cluster.brokerIsMissed();
  const listener = await Listener.open(cluster);
  const id = await listener.submit(cluster, quick());
  cluster.startBroker(); // returns when it listens
  const begin = performance.now();
  print("broker_listens_to_waiting_prompt_starts", "ms", [(await listener.heard("execution_start", id)).came - begin]);
}

const cluster = await Cluster.start({ workers: 0 });
try {
  cluster.startWorker(plugins);
  await workersAre(cluster, 1);
  const listener = await Listener.open(cluster);
  await roundTrips(cluster, listener);
  await throughput(cluster, listener);
  await deadWorker(cluster, listener);
  const text = await (await fetch(`${cluster.frontend.url}/metrics`)).text();
  print("frontend_memory", "MiB", [Number(/^comfyui_process_resident_bytes (\S+)/m.exec(text)[1]) / 2 ** 20]);
  await deadFrontend(cluster, listener);
  await deadBroker(cluster);
} finally {
  await cluster.stop();
}
process.exit(0);
