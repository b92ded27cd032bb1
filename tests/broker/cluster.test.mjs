// SPDX-License-Identifier: GPL-3.0-or-later
// Prompts end exactly once whatever is killed, and are accepted while the broker is away.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Cluster } from "./cluster.mjs";

const minutes = { timeout: 120_000 };

let cluster;

before(async () => (cluster = await Cluster.start()));
after(() => cluster?.stop());

test("prompts run on the workers at the broker, and the server has none of its own", minutes, async () => {
  await cluster.allEnded(await cluster.submitAll(20, "plain"), "plain");
  assert.equal((await cluster.brokerState()).connected, true);
});

test("a worker that is killed has its prompt run by another", minutes, async () => {
  const ids = await cluster.submitAll(60, "killed");
  cluster.workers[0].kill("SIGKILL");
  cluster.startWorker();
  await cluster.allEnded(ids, "killed");
});

test("prompts are accepted while the broker is away and run once it is back", minutes, async () => {
  // A broker that is killed sooner after it made its queues may lose one: see forgotten_queue.test.mjs.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  cluster.killBroker();
  await cluster.brokerIsMissed();
  const ids = await cluster.submitAll(10, "away");
  cluster.startBroker();
  await cluster.allEnded(ids, "away");
});

test("a frontend that is killed finds its prompts' ends when it is back", minutes, async () => {
  const ids = await cluster.submitAll(30, "frontend");
  cluster.frontend.process.kill("SIGKILL");
  await cluster.frontend.exit;
  await cluster.frontend.launch();
  await cluster.allEnded(ids, "frontend");
});

test("a queued prompt that is deleted never runs", minutes, async () => {
  await cluster.frontend.json("/queue/pause", {});
  const id = await cluster.submit(1, "deleted");
  await cluster.frontend.json("/queue", { delete: [id] });
  await cluster.frontend.json("/queue/resume", {});
  await cluster.allEnded([await cluster.submit(2, "after")], "after");
  assert.deepEqual(cluster.files("deleted"), []);
});
