# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a takeover takes: a figure and not a fault, but by the same means."""

import itertools
import statistics
import time

from cluster import Cluster
from programs import BIN, Folder, wait_until
from promises import rows
from sites import MANY

SLEEP = BIN.parent / "plugins/faults"
NUMBERS = itertools.count()


def sleeping(number, seconds):
    """A prompt that takes that long and hardly any of the processor."""
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": number}},
            "2": {"class_type": "FaultSleep", "inputs": {"image": ["1", 0], "seconds": seconds}},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}


def know_the_nodes(cluster):
    for frontend in cluster.frontends:
        wait_until(lambda f=frontend: "FaultSleep" in f.get("/object_info").json(), 30, "the workers' node classes")


def submit(frontend, name, seconds):
    """Unlike all others: no worker knows its result already."""
    answer = frontend.post("/prompt", {"prompt_id": name, "prompt": sleeping(next(NUMBERS), seconds)})
    assert answer.status == 200, answer.body


def attempts(frontend, name):
    return rows(frontend.store, "SELECT worker FROM attempt WHERE prompt_id = ? ORDER BY number", name)


def takeover_of(cluster, name):
    """Kills the worker that runs a prompt; seconds until another begins with it."""
    frontend = cluster.frontends[0]
    submit(frontend, name, 3)
    worker = wait_until(lambda: attempts(frontend, name), 20, "a run")[0][0]
    victim = next(process for process in cluster.workers if process.pid == cluster.pid_of(worker))
    victim.kill()
    killed = time.monotonic()
    wait_until(lambda: len(attempts(frontend, name)) == 2, 40, lambda: f"a takeover\n{cluster.tail()}")
    took = time.monotonic() - killed
    victim.launch()
    frontend.wait_record(name)
    return took


def takeover(run):
    """A worker is killed while another is idle: long after the frontend's start, right after it, and right after the broker's."""
    times = run.size(3, 10)
    found = {"calm": [], "frontend just started": [], "broker just started": []}
    with Folder() as base, Cluster(base, 1, 2, options=MANY, worker_options=("--plugin-directory", SLEEP)) as cluster:
        know_the_nodes(cluster.wait_workers())
        time.sleep(12)
        for i in range(times):
            cluster.wait_workers()
            found["calm"].append(takeover_of(cluster, f"calm-{i}"))
        for i in range(times):
            time.sleep(12)
            cluster.frontends[0].kill()
            cluster.frontends[0].start()
            know_the_nodes(cluster.wait_workers())
            found["frontend just started"].append(takeover_of(cluster, f"frontend-{i}"))
        for i in range(max(1, times // 3)):
            time.sleep(12)
            cluster.broker.kill()
            cluster.broker.start()
            wait_until(lambda: cluster.frontends[0].get("/readyz").status == 200, 60, "a ready frontend")
            cluster.wait_workers()
            found["broker just started"].append(takeover_of(cluster, f"broker-{i}"))
        cluster.stop()
    return {name: {"median_s": round(statistics.median(values), 2), "longest_s": round(max(values), 2), "times": len(values)}
            for name, values in found.items()}
