# SPDX-License-Identifier: GPL-3.0-or-later
"""Frontends and workers that share a queue on a private RabbitMQ, one folder for their results."""

import os
import pathlib
import signal
import subprocess
import time

from programs import BIN, HERE, Folder, Frontend, Process, wait_until
from promises import Client, Journal, Verdict, guard
from tcp_proxy import Proxy

NODE = HERE.parent / "broker" / "rabbitmq_node"
QUEUE = "faults"
MANY = ("--max-attempts", 1000)


class Broker:
    """tests/broker/rabbitmq_node in a folder of its own; it ends with this process."""

    def __init__(self, base, settings=""):
        self.folder = pathlib.Path(base)
        self.folder.mkdir(parents=True)
        if settings:
            (self.folder / "extra.conf").write_text(settings)
        self.start()

    def node(self, *words):
        done = subprocess.run([NODE, words[0], self.folder, *map(str, words[1:])], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"rabbitmq_node {words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def start(self):
        self.port = int(self.node("start", os.getpid()))

    def kill(self):
        self.node("kill")

    def stop(self):
        self.node("stop")

    def control(self, *words):
        return self.node("ctl", *words)

    def queues(self, *columns):
        lines = self.control("list_queues", "--no-table-headers", *columns).splitlines()
        return [line.split("\t") for line in lines if line]


class Cluster:
    """`frontends` and `workers` on one queue; with `proxied` everything goes through a TCP proxy each."""

    def __init__(self, base, frontends=2, workers=3, options=MANY, proxied=False, settings=""):
        self.base = base
        self.output = base / "output"
        self.output.mkdir()
        self.broker = Broker(base / "broker", settings)
        self.proxies = []
        self.frontends = [
            Frontend(base / f"frontend{i}", *self.link(proxied), "--distributed-queue-frontend", "--output-directory", self.output, *options)
            for i in range(frontends)]
        self.workers = [
            Process([BIN / "comfyui-worker", "--cwd", base / "worker", *self.link(proxied), "--output-directory", self.output],
                    base, f"worker{i}") for i in range(workers)]
        self.journal = Journal(base / "journal")

    def link(self, proxied):
        port = self.broker.port
        if proxied:
            self.proxies.append(Proxy(port))
            port = self.proxies[-1].port
        return ["--distributed-queue-connection-uri", f"amqp://guest:guest@127.0.0.1:{port}", "--distributed-queue-name", QUEUE]

    def start(self):
        for program in (*self.frontends, *self.workers):
            program.base.mkdir(exist_ok=True) if isinstance(program, Frontend) else None
            program.launch()
        for frontend in self.frontends:
            frontend.wait_ready()
            guard(frontend.store)
        return self

    def clients(self, count, **how):
        return [Client(f"c{i}", self.frontends[i % len(self.frontends)], self.journal, **how) for i in range(count)]

    def end_clients(self, clients, seconds=240):
        for client in clients:
            client.ending.set()
        for client in clients:
            client.finish(seconds)

    def wait_idle(self, seconds=180):
        wait_until(lambda: all(frontend.idle() for frontend in self.frontends), seconds,
                   lambda: "empty queues\n" + "\n".join(program.tail(1500) for program in (*self.frontends, *self.workers)))

    def stop(self):
        for program in (*self.workers, *self.frontends):
            program.signal(signal.SIGTERM if program in self.workers else signal.SIGINT)
        for program in (*self.workers, *self.frontends):
            assert program.wait(30) == 0, program.tail()

    def verdict(self, **limits):
        self.no_dead_letters()
        self.stop()
        self.broker.stop()
        for proxy in self.proxies:
            proxy.close()
        return Verdict(self.base / "journal", [frontend.store for frontend in self.frontends], self.output).check(**limits)

    def no_dead_letters(self):
        dead = [row for row in self.broker.queues("name", "messages") if row[0].startswith("comfy.dead.") and row[1] != "0"]
        assert not dead, f"expected no dead letters, found {dead}"


def random_kills(run):
    """F1: kill -9 of frontends, workers and broker at random times, while clients submit."""
    kinds = ("worker", "frontend", "broker")
    wanted = {kind: int(run.kills.get(kind, 0)) for kind in kinds}
    count = dict.fromkeys(kinds, 0)
    with Folder() as base:
        cluster = Cluster(base, workers=run.workers + 1).start()
        clients = cluster.clients(4, count=run.prompts // 4 if run.prompts else None, pause=0 if run.prompts else 0.05)
        for client in clients:
            client.start()
        started = time.monotonic()

        def one(kind):
            count[kind] += 1
            if kind == "broker":
                cluster.broker.kill()
                cluster.broker.start()
            else:
                program = run.random.choice(cluster.workers if kind == "worker" else cluster.frontends)
                program.kill()
                program.launch()

        def open_kinds():
            return [kind for kind in kinds if count[kind] < wanted[kind]] if run.prompts else [*kinds[:2] * 2, "broker"]

        def going_on():
            if run.prompts:
                return any(client.is_alive() for client in clients) or bool(open_kinds())
            return time.monotonic() < started + run.size(25, 110)

        while going_on():
            time.sleep(run.random.uniform(2, 6) if run.full or run.prompts else run.random.uniform(1, 2))
            if open_kinds():
                one(run.random.choice(open_kinds()))
        cluster.end_clients(clients)
        cluster.wait_idle()
        kills = sum(count.values())
        verdict = cluster.verdict(most_repeated=kills * len(cluster.workers))
        return {**verdict.figures(), "kills": count}


def hung_worker(run):
    """F4: a stopped worker's prompt runs elsewhere within 35 s; what it says when it wakes is refused."""
    with Folder() as base:
        cluster = Cluster(base, frontends=1, workers=2).start()
        clients = cluster.clients(1, count=6, side=1500, ahead=100)
        clients[0].start()
        time.sleep(2.5)
        hung = cluster.workers[0]
        hung.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        clients[0].finish()
        wait_until(cluster.frontends[0].idle, 90, lambda: cluster.frontends[0].tail())
        took = time.monotonic() - stopped
        hung.signal(signal.SIGCONT)
        time.sleep(3)
        verdict = cluster.verdict(most_repeated=1)
        assert took <= 50, f"taken over after {took:.1f} s"
        return {**verdict.figures(), "all_done_s": round(took, 1)}


def network(run):
    """F5: what networks do to each program's connections in turn; all of them recover unaided."""
    times = run.size(4, 20)
    done = {}
    with Folder() as base:
        cluster = Cluster(base, proxied=True).start()
        clients = cluster.clients(2, pause=0.1)
        for client in clients:
            client.start()
        for i in range(times):
            proxy = run.random.choice(cluster.proxies)
            how = ("reset", "half open", "black hole", "cut", "slow")[i % 5]
            done[how] = done.get(how, 0) + 1
            if how == "reset":
                proxy.reset_all()
            elif how == "half open":
                proxy.leave_half_open()
            elif how == "black hole":
                proxy.black_hole = True
                time.sleep(run.random.uniform(1, 25 if run.full else 4))
                proxy.black_hole = False
            elif how == "cut":
                proxy.cut_after = run.random.randrange(1, 20_000)
                time.sleep(2)
                proxy.cut_after = None
            else:
                proxy.delay, proxy.rate = 0.05, 200_000
                time.sleep(2)
                proxy.delay, proxy.rate = 0, None
            time.sleep(run.random.uniform(0.5, 2))
        cluster.end_clients(clients)
        cluster.wait_idle()
        return {**cluster.verdict(most_repeated=times * 3).figures(), "faults": done}


def alarms(run):
    """F6: the broker is out of memory or disk; prompts are accepted, nothing is repeated, and it goes on by itself."""
    seconds = 60 if run.full else 8
    with Folder() as base:
        cluster = Cluster(base).start()
        clients = cluster.clients(2, pause=0.2, ahead=1000)
        for client in clients:
            client.start()
        for alarm, calm in ((("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "0.4")),
                            (("set_disk_free_limit", "100TB"), ("set_disk_free_limit", "50MB"))):
            cluster.broker.control(*alarm)
            before = len(open(base / "journal", "rb").read().splitlines())
            time.sleep(seconds)
            assert len(open(base / "journal", "rb").read().splitlines()) > before, "expected acceptance to go on"
            cluster.broker.control(*calm)
            time.sleep(2)
        cluster.end_clients(clients)
        cluster.wait_idle()
        return cluster.verdict(most_repeated=0).figures()


def wiped_broker(run):
    """F7: the broker forgets everything while prompts wait."""
    count = 1000 if run.full else 200
    with Folder() as base:
        cluster = Cluster(base, frontends=1).start()
        clients = cluster.clients(2, count=count // 2, ahead=count * 2, side=16)
        for client in clients:
            client.start()
        for client in clients:
            client.finish()
        cluster.broker.kill()
        subprocess.run(["rm", "-r", str(cluster.broker.folder / "data")], check=True)
        cluster.broker.start()
        cluster.wait_idle(300)
        return cluster.verdict(most_repeated=len(cluster.workers)).figures()


def drains(run):
    """F17: workers are told to stop, frontends too; nothing is repeated."""
    times = run.size(6, 30)
    with Folder() as base:
        cluster = Cluster(base, options=("--max-attempts", 1, "--drain-seconds", 5)).start()
        clients = cluster.clients(2, pause=0.05)
        for client in clients:
            client.start()
        for i in range(times):
            time.sleep(run.random.uniform(0.3, 1.5))
            program = run.random.choice(cluster.workers if i % 3 else cluster.frontends)
            program.signal(signal.SIGTERM)
            if i % 2:
                time.sleep(0.1)
                program.signal(signal.SIGTERM)
            # A worker's own drain is the default of 25 s, though its prompts are short.
            assert program.wait(12) == 0, program.tail()
            program.launch()
        cluster.end_clients(clients)
        cluster.wait_idle()
        return {**cluster.verdict(most_repeated=0).figures(), "stops": times}
