// SPDX-License-Identifier: GPL-3.0-or-later
// Workers' threads soon sleep while they wait for each other, unless the user has chosen otherwise (apps/thread_policy.h).
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { Server } from "./server.mjs";

/** The environment of the server's worker, once it is there. */
async function workerEnvironment(server) {
  for (let i = 0; i < 200; ++i) {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        const parent = Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")[1]);
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
        if (parent === server.process.pid && readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("comfyui-worker")) return environment;
      } catch {
        // It ended meanwhile.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no worker in 10 s:\n${server.log}`);
}

async function policyOf(environment) {
  const server = await Server.start({ environment });
  try {
    return (await workerEnvironment(server)).filter((variable) => /^(OMP_WAIT_POLICY|GOMP_SPINCOUNT)=/.test(variable));
  } finally {
    await server.stop();
  }
}

test("threads of a worker soon sleep while they wait", async () => {
  assert.deepEqual(await policyOf({}), ["GOMP_SPINCOUNT=2000"]);
});

test("a user who wants them to spin is heard", async () => {
  assert.deepEqual(await policyOf({ OMP_WAIT_POLICY: "active" }), ["OMP_WAIT_POLICY=active"]);
  assert.deepEqual(await policyOf({ GOMP_SPINCOUNT: "1000" }), ["GOMP_SPINCOUNT=1000"]);
});
