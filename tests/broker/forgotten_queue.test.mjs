// SPDX-License-Identifier: GPL-3.0-or-later
// RabbitMQ 3.10 writes the term of a new quorum queue to disk every five seconds. Killed before that it brings the queue back
// empty, without a leader for ever, and every call to it hangs.
import { after, before, test } from "node:test";

import { Cluster } from "./cluster.mjs";

let cluster;

before(async () => (cluster = await Cluster.start()));
after(() => cluster?.stop());

test("queues that the broker lost are made anew, and the prompts run", { timeout: 300_000 }, async () => {
  cluster.killBroker();
  await cluster.brokerIsMissed();
  const ids = await cluster.submitAll(10, "away");
  cluster.startBroker();
  await cluster.allEnded(ids, "away", 240);
});
