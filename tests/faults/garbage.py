# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that nobody of ours has written, on every queue of the broker: F19."""

import json
import pickle
import time
import zlib

from cluster import Cluster
from programs import Folder, free_port, metric_of, wait_until
from promises import Client, Journal, Verdict, guard
from sites import MANY

# All but pause and shutdown: whoever may write into a worker's queue is obeyed, which permissions are there to prevent.
OURS = ("hello", "need", "catalogue", "job", "claim", "go", "drop", "wait", "renew", "renewed", "event", "preview", "finish", "finished",
        "release", "cancel", "free", "resume", "snapshot", "validate", "verdict", "ping", "pong")


class Payload:
    """Unpickled, it would run a command; nobody may do that."""

    def __reduce__(self):
        return (print, ("unpickled",))


def noise(random):
    return {"body": random.randbytes(random.randrange(0, 2000))}


def cut_off(random):
    text = json.dumps({"v": 1, "type": random.choice(OURS), "seq": 1, "prompt_id": "c0-1", "attempt": 1, "token": "a" * 32, "body": {}})
    return {"body": text[:random.randrange(1, len(text))].encode(), "content_type": "application/json"}


def foreign(random):
    return {"body": json.dumps({"task": "tasks.add", "id": random.randrange(1 << 32), "args": [1, 2], "kwargs": {}}).encode(),
            "content_type": "application/json", "type": "task"}


def pickled(_):
    return {"body": pickle.dumps(Payload()), "content_type": "application/x-python-serialize"}


def deep(random):
    return {"body": b"[" * random.choice([100, 60_000]), "content_type": "application/json", "type": random.choice(OURS)}


def almost_ours(random):
    """Types and fields of ours with values that are none."""
    strange = random.choice([None, -1, 1 << 63, 1.5, "", "x" * 300, [], {}, [{}], True, "../../etc/passwd"])
    message = {"v": 1, "type": random.choice(OURS), "seq": 1, "prompt_id": f"nobody-{random.randrange(1000)}", "attempt": 1,
               "token": "0" * 32, "store": "0" * 16}
    message[random.choice(list(message))] = strange
    message[random.choice(["body", "counter", "outputs", "messages", "running", "devices", "status", "hash"])] = strange
    return {"body": json.dumps(message).encode(), "content_type": "application/json", "type": random.choice(OURS),
            "reply_to": random.choice(["", "nobody", "comfy.worker.comfyui.", "comfy.worker.comfyui.ghost.1", "x" * 255])}


def packed(random):
    """Says that it is deflated: it is not, it is cut off, or it is a bomb."""
    whole = zlib.compress(b" " * (1 << 20))
    return {"body": random.choice([b"no", whole[:200], whole]), "content_encoding": "deflate", "content_type": "application/json",
            "type": random.choice(OURS)}


def mislength(random):
    return {"body": random.choice([b"", b"\0", b"\xff\xff\xff\xff{}", b"\0\0\0\x02{}", b"\0\0\0\x05{}"]), "content_type": "application/x-comfy",
            "type": random.choice(OURS)}


KINDS = (noise, cut_off, foreign, pickled, deep, almost_ours, packed, mislength)


class Spreader:
    """A stranger with the rights to publish anywhere."""

    def __init__(self, broker, random):
        # The only fault that needs more than Python itself; tests/protocol/run.sh has it.
        import pika

        self.properties = pika.BasicProperties
        self.random, self.queues, self.count = random, list(broker.queues()), 0
        self.connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", broker.port))
        self.channel = self.connection.channel()

    def spread(self, count):
        for _ in range(count):
            kind = self.random.choice(KINDS)(self.random)
            body = kind.pop("body")
            properties = self.properties(**{name: value for name, value in kind.items() if value},
                                         headers={"x-comfy-v": self.random.choice([1, 2, "1"]), "x-comfy-store": "0" * 16})
            self.channel.basic_publish("", self.random.choice(self.queues), body, properties)
            self.count += 1
        self.connection.process_data_events()


def garbage(run):
    """F19: nobody crashes, the frontends count it, and prompts run as if it were not there."""
    wanted = run.size(400, 10_000)
    with Folder() as base, Cluster(base, 1, run.workers, options=MANY) as cluster:
        # One of the workers is watched, as an operator would.
        health = free_port()
        cluster.add_worker("--health-port", health).launch()
        frontend, = cluster.wait_workers().frontends
        guard(frontend.store)
        pids = [process.pid for process in (*cluster.frontends, *cluster.workers)]
        client = Client("c0", frontend, Journal(base / "journal"), pause=0.02)
        client.start()
        spreader = Spreader(cluster.broker, run.random)
        while spreader.count < wanted:
            spreader.spread(50)
            time.sleep(0.05)
        client.ending.set()
        client.finish()
        cluster.wait_idle()
        assert [process.pid for process in (*cluster.frontends, *cluster.workers) if process.alive()] == pids, cluster.tail()
        counted = frontend.metric("broker_garbage_total") + frontend.metric("ignored_messages_total")
        assert counted >= wanted / 10, f"expected some of {wanted} to be counted, found {counted}"
        by_worker = metric_of(health, "comfyui_worker_broker_garbage_total")
        assert by_worker >= wanted / 100, f"expected some of {wanted} to be counted by a worker, found {by_worker}"
        assert all("unpickled" not in process.tail(1 << 20) for process in (*cluster.frontends, *cluster.workers))
        wait_until(lambda: not any(cluster.broker.queues().values()), 40, lambda: f"empty queues, found {cluster.broker.queues()}\n{cluster.tail()}")
        cluster.stop()
        verdict = Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=0)
        assert len(verdict.states) >= 10, verdict.states
        return {**verdict.figures(), "garbage": spreader.count, "counted": int(counted), "counted_by_a_worker": int(by_worker)}
