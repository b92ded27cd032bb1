# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a takeover takes, what more workers bring, and how much memory a frontend needs: figures and not faults, but by the same means."""

import pathlib
import statistics
import time

from cluster import Cluster
from programs import BIN, Folder, memory_of, wait_until
from promises import rows
from sites import MANY

SLEEP = BIN.parent / "plugins/faults"


def sleeping(number, seconds):
    """A prompt that takes that long and hardly any of the processor."""
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": number}},
            "2": {"class_type": "FaultSleep", "inputs": {"image": ["1", 0], "seconds": seconds}},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}


def sleeping_cluster(base, frontends, workers):
    return Cluster(base, frontends, workers, options=MANY, worker_options=("--plugin-directory", SLEEP))


def know_the_nodes(cluster):
    for frontend in cluster.frontends:
        wait_until(lambda f=frontend: "FaultSleep" in f.get("/object_info").json(), 30, "the workers' node classes")


def submit(frontend, name, seconds, number=0):
    answer = frontend.post("/prompt", {"prompt_id": name, "prompt": sleeping(number, seconds)})
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
    with Folder() as base, sleeping_cluster(base, 1, 2) as cluster:
        know_the_nodes(cluster.wait_workers())
        time.sleep(12)
        for i in range(times):
            cluster.wait_workers()
            found["calm"].append(takeover_of(cluster, f"calm-{i}"))
        for i in range(times):
            time.sleep(12)
            cluster.frontends[0].kill()
            cluster.frontends[0].start()
            cluster.wait_workers()
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


def throughput(run):
    """The same prompts on one worker and on three, and the frontend's memory while they wait."""
    count, seconds, figures = run.size(60, 120), 0.5, {}
    for workers in (1, 3):
        with Folder() as base, sleeping_cluster(base, 1, workers) as cluster:
            frontend = cluster.wait_workers().frontends[0]
            know_the_nodes(cluster)
            # Each worker has run something before the clock starts.
            for i in range(workers * 3):
                submit(frontend, f"first-{i}", 0.1, i)
            cluster.wait_idle()
            started = time.monotonic()
            for i in range(count):
                submit(frontend, f"p-{i}", seconds, 1000 + i)
            figures[f"memory_mb_{workers}"] = round(memory_of(frontend.pid) / 1e6, 1)
            cluster.wait_idle(600)
            figures[f"prompts_per_s_{workers}"] = round(count / (time.monotonic() - started), 2)
            figures[f"resident_mb_{workers}"] = round(resident(frontend.pid) / 1e6, 1)
            cluster.stop()
    figures["ratio"] = round(figures["prompts_per_s_3"] / figures["prompts_per_s_1"], 2)
    return figures


def resident(pid):
    """All resident bytes, shared libraries and files too."""
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4096
