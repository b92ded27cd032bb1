# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that end their process, never end, or take all memory: F9."""

import json
import resource
import time

from programs import BIN, Folder, Frontend, wait_until
from promises import rows

PLUGINS = BIN.parent / "plugins"
ENDINGS = {"abort": "signal 6, SIGABRT", "segfault": "signal 11, SIGSEGV", "exit": "exit status 3"}


def poisoned(kind, number):
    """A prompt that a node of the fault plug-in spoils; "none" spoils nothing."""
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": number}},
            "2": {"class_type": "FaultPoison", "inputs": {"image": ["1", 0], "kind": kind}},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}


def submit(frontend, name, prompt):
    answer = frontend.post("/prompt", {"prompt_id": name, "prompt": prompt})
    assert answer.status == 200, answer.body


def next_prompt_is_fine(frontend, name):
    submit(frontend, name, poisoned("none", abs(hash(name)) % 0xFFFFFF))
    record = frontend.wait_record(name)
    assert record["status"]["status_str"] == "success", record["status"]


def dies(frontend, kind, name):
    """Three attempts, then `failed` with the reason of each; the prompt that waits behind it runs."""
    submit(frontend, name, poisoned(kind, 1))
    next_prompt_is_fine(frontend, f"after-{name}")
    record = frontend.wait_record(name)
    text = json.dumps(record["status"])
    assert record["status"]["status_str"] == "error" and text.count(ENDINGS[kind]) >= 3, text
    assert rows(frontend.store, "SELECT attempts FROM job WHERE prompt_id = ?", name) == [(3,)]


def loops(frontend, name):
    """A node that hears of no cancel: its worker is ended, the prompt is cancelled and not run again."""
    submit(frontend, name, poisoned("loop", 2))
    wait_until(lambda: frontend.get(f"/api/jobs/{name}").json()["status"] == "in_progress", 20, "a run")
    time.sleep(0.2)
    answer = frontend.post(f"/api/jobs/{name}/cancel", {})
    assert answer.status == 200 and answer.json()["cancelled"], answer.body
    submit(frontend, f"after-{name}", poisoned("none", 3))
    record = frontend.wait_record(name, 30)
    assert "execution_interrupted" in json.dumps(record["status"]), record["status"]
    assert frontend.wait_record(f"after-{name}")["status"]["status_str"] == "success"
    assert rows(frontend.store, "SELECT attempts, state FROM job WHERE prompt_id = ?", name) == [(1, "cancelled")]


def allocates(frontend, name):
    """All the memory that its process may have: the prompt fails, the process lives on."""
    [worker] = wait_until(frontend.worker_pids, 20, "a worker")
    next_prompt_is_fine(frontend, f"before-{name}")
    with open(f"/proc/{worker}/statm", encoding="utf-8") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.prlimit(worker, resource.RLIMIT_AS, (used + (512 << 20),) * 2)
    submit(frontend, name, poisoned("allocate", 4))
    record = frontend.wait_record(name)
    error = next(data for kind, data in record["status"]["messages"] if kind == "execution_error")
    assert error["node_id"] == "2" and "memory" in error["exception_message"].lower(), error
    next_prompt_is_fine(frontend, f"after-{name}")
    assert frontend.worker_pids() == [worker], "the worker need not have ended"


def poison(run):
    """F9: abort, SIGSEGV, exit, all memory, an endless loop."""
    times = run.size(1, 3)
    kinds = list(ENDINGS) if run.full else ["abort"]
    with Folder() as base:
        frontend = Frontend(base, "--plugin-directory", PLUGINS, "--cancel-seconds", 2).start()
        # Classes of plug-ins are known as soon as the first worker is up.
        wait_until(lambda: "FaultPoison" in frontend.get("/object_info/FaultPoison").json(), 30, "the plug-in's node")
        for i in range(times):
            for kind in kinds:
                dies(frontend, kind, f"{kind}-{i}")
            loops(frontend, f"loop-{i}")
            allocates(frontend, f"allocate-{i}")
        frontend.stop()
    return {"kinds": [*kinds, "loop", "allocate"], "times": times}
