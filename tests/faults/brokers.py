# SPDX-License-Identifier: GPL-3.0-or-later
"""Brokers that take nothing, forget everything, lose patience, or hold other objects than they should: F6, F7, F8, F23."""

import json
import time

from cluster import Cluster
from programs import BIN, Folder, wait_until
from promises import Client, Journal, Verdict, guard, rows
from sites import MANY

SLEEP = BIN.parent / "plugins/faults"

ALARMS = {"memory": (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4")),
          "disk": (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "50MB"))}


def alarms(run):
    """F6: an alarm of the broker. Prompts are accepted, none is handed out, all run by themselves afterwards, none twice."""
    length, figures = run.size(15, 60), {}
    for kind in ALARMS if run.full else ("memory",):
        with Folder() as base, Cluster(base, 1, run.workers, options=MANY) as cluster:
            figures = alarm(run, cluster.wait_workers(), base, kind, length)
    return {**figures, "alarm_s": length}


def alarm(run, cluster, base, kind, length):
    raise_it, end_it = ALARMS[kind]
    frontend, = cluster.frontends
    guard(frontend.store)
    journal = Journal(base / "journal")
    clients = [Client(f"c{i}", frontend, journal, ahead=10_000, pause=0.1) for i in range(2)]
    for client in clients:
        client.start()
    wait_until(lambda: frontend.metric("claims_total") > 5, 60, "prompts that run")
    cluster.broker.control(*raise_it)
    wait_until(lambda: frontend.broker()["blocked"], 20, "word of the alarm in /readyz")
    assert frontend.get("/readyz").status == 503 and "low on" in frontend.broker()["detail"], frontend.broker()
    time.sleep(3)
    accepted, ended = frontend.metric("prompts_accepted_total"), len(rows(frontend.store, "SELECT 1 FROM attempt"))
    time.sleep(length)
    assert frontend.metric("prompts_accepted_total") > accepted + length, "expected prompts to be accepted during the alarm"
    begun = len(rows(frontend.store, "SELECT 1 FROM attempt")) - ended
    assert begun <= run.workers, f"expected no prompt to be handed out during the alarm, {begun} were"
    cluster.broker.control(*end_it)
    for client in clients:
        client.ending.set()
    for client in clients:
        client.finish()
    wait_until(lambda: frontend.get("/readyz").status == 200, 20, lambda: f"a ready frontend\n{cluster.tail()}")
    cluster.wait_idle(180)
    cluster.stop()
    return Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=0).figures()


def wiped(run):
    """F7: the broker's queues, then all of its data, are deleted while prompts wait and run."""
    waiting, figures = run.size(100, 1000), {}
    for what in ("queues", "data"):
        with Folder() as base, Cluster(base, 2, run.workers, options=MANY) as cluster:
            for store in cluster.stores:
                guard(store)
            cluster.wait_workers()
            journal = Journal(base / "journal")
            clients = [Client(f"c{i}", cluster.frontends[i % 2], journal, count=waiting // 2, ahead=10_000) for i in range(2)]
            for client in clients:
                client.start()
            for client in clients:
                client.finish()
            assert sum(frontend.remaining() for frontend in cluster.frontends) > waiting // 4, "expected prompts that wait"
            (delete_queues if what == "queues" else wipe)(cluster)
            cluster.wait_idle(60 + waiting)
            cluster.stop()
            figures = Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=run.workers).figures()
    return figures


def delete_queues(cluster):
    for name in cluster.broker.queues():
        if name.startswith(("comfy.jobs.", "comfy.results.", "comfy.leases.", "comfy.dead.")):
            cluster.broker.control("delete_queue", name)


def wipe(cluster):
    cluster.broker.wipe()
    cluster.broker.start()


def patience(run):
    """F8: the broker takes away what is held for a minute; a job that runs longer runs once, with early acknowledgement and without."""
    seconds, figures = run.size(150, 200), {}
    for hold in (30, 100_000):
        with Folder() as base, Cluster(base, 1, 2, settings="consumer_timeout = 60000\n", options=MANY,
                                       worker_options=("--plugin-directory", SLEEP, "--distributed-queue-hold-seconds", hold)) as cluster:
            frontend, = cluster.wait_workers().frontends
            guard(frontend.store)
            wait_until(lambda f=frontend: "FaultSleep" in f.get("/object_info").json(), 20, "the workers' node classes")
            journal = Journal(base / "journal")
            journal.write("submit", "long")
            prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 1}},
                      "2": {"class_type": "FaultSleep", "inputs": {"image": ["1", 0], "seconds": seconds}},
                      "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "long"}}}
            assert frontend.post("/prompt", {"prompt_id": "long", "prompt": prompt}).status == 200
            journal.write("accepted", "long")
            frontend.wait_record("long", seconds + 60)
            taken = any("gave away what this worker held" in worker.tail(1 << 20) for worker in cluster.workers)
            assert taken == (hold > seconds), f"expected the broker to take the message away only without early acknowledgement\n{cluster.tail()}"
            cluster.stop()
            figures[f"hold {hold} s"] = Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=0).figures()
    return figures


EXCHANGES = {"results": "direct", "leases": "direct", "dead": "direct", "ctl": "topic", "events": "topic", "previews": "topic"}
QUORUM = {"x-queue-type": "quorum"}
REFUSE = {"x-overflow": "reject-publish"}
DROP = {"x-overflow": "drop-head"}
JOBS = {**QUORUM, **REFUSE, "x-delivery-limit": 20, "x-dead-letter-exchange": "comfy.dead", "x-dead-letter-routing-key": "comfyui",
        "x-dead-letter-strategy": "at-least-once", "x-max-length": 100_000}


def expected_objects(store, frontend, worker):
    """The design's table: {queue: durable, one process's alone, arguments}, and the bindings [exchange, queue, key]."""
    key = f"comfyui.{store}"
    queues = {f"comfy.jobs.comfyui.{level}": (True, False, JOBS) for level in ("high", "normal", "low")}
    queues |= {
        "comfy.dead.comfyui": (True, False, QUORUM),
        f"comfy.results.{key}": (True, False, {**QUORUM, **REFUSE}),
        f"comfy.leases.{key}": (True, False, {**DROP, "x-message-ttl": 15_000, "x-max-length": 10_000}),
        f"comfy.worker.comfyui.{worker}": (False, True, {**DROP, "x-max-length": 1000}),
        f"comfy.events.comfyui.{frontend}": (False, True, {**DROP, "x-max-length": 10_000, "x-max-length-bytes": 67_108_864,
                                                           "x-message-ttl": 60_000}),
        f"comfy.previews.comfyui.{frontend}": (False, True, {**DROP, "x-max-length": 64, "x-message-ttl": 2000}),
    }
    bindings = [["comfy.ctl", f"comfy.worker.comfyui.{worker}", "comfyui.all"], ["comfy.dead", "comfy.dead.comfyui", "comfyui"],
                ["comfy.results", f"comfy.results.{key}", key], ["comfy.leases", f"comfy.leases.{key}", key],
                ["comfy.leases", f"comfy.leases.{key}", "comfyui.all"],
                ["comfy.events", f"comfy.events.comfyui.{frontend}", f"{key}.#"],
                ["comfy.previews", f"comfy.previews.comfyui.{frontend}", f"{key}.#"]]
    return queues, bindings


def settings_guard(_):
    """F23: what lies on the broker is what the design says, to the letter."""
    with Folder() as base, Cluster(base, 1, 1) as cluster:
        cluster.wait_workers()
        store = rows(cluster.stores[0], "SELECT value FROM setting WHERE name = 'store_id'")[0][0]
        queues = {entry["name"]: (entry["durable"], entry["exclusive"] is True, {name: value for name, _, value in entry["arguments"]})
                  for entry in listed(cluster.broker, "list_queues", "name", "durable", "auto_delete", "exclusive", "arguments")}
        names = {kind: next(name.rpartition(f"comfy.{kind}.comfyui.")[2] for name in queues if name.startswith(f"comfy.{kind}."))
                 for kind in ("worker", "events")}
        expected, bindings = expected_objects(store, names["events"], names["worker"])
        assert queues == expected, f"queues: expected\n{json.dumps(expected)}\nfound\n{json.dumps(queues)}"
        exchanges = {entry["name"].removeprefix("comfy."): (entry["type"], entry["durable"], entry["auto_delete"], entry["arguments"])
                     for entry in listed(cluster.broker, "list_exchanges", "name", "type", "durable", "auto_delete", "arguments")
                     if entry["name"].startswith("comfy")}
        assert exchanges == {name: (kind, True, False, []) for name, kind in EXCHANGES.items()}, exchanges
        found = [[entry["source_name"], entry["destination_name"], entry["routing_key"]]
                 for entry in listed(cluster.broker, "list_bindings") if entry["source_name"]]
        assert sorted(found) == sorted(bindings), f"bindings: expected {sorted(bindings)}, found {sorted(found)}"
        return {"queues": len(queues), "exchanges": len(exchanges), "bindings": len(found)}


def listed(broker, what, *columns):
    return json.loads(broker.control(what, "--formatter", "json", *columns))
