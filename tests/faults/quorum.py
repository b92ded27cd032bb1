# SPDX-License-Identifier: GPL-3.0-or-later
"""Three brokers that keep every queue together: F24."""

import pathlib
import shutil
import time

from cluster import Broker, Cluster
from programs import Folder, wait_until
from promises import Client, Journal, Verdict, guard, rows
from sites import MANY

MOST_PAUSE = 10


class Brokers(Broker):
    """Three private nodes as one cluster; programs are told the addresses of all."""

    def __init__(self, folder, settings=""):
        super().__init__(pathlib.Path(folder) / "0", settings)
        self.nodes = [self, *(Broker(pathlib.Path(folder) / str(i), settings) for i in (1, 2))]

    def start(self):
        super().start()
        first, *others = self.nodes
        dist = (first.folder / "ports").read_text().split()
        for node in others:
            # One cookie and one epmd for all, ports of its own.
            (node.folder / "home").mkdir(parents=True, exist_ok=True)
            shutil.copy2(first.folder / "home/.erlang.cookie", node.folder / "home/.erlang.cookie")
            node._node("ports")
            port, own, _, tls = (node.folder / "ports").read_text().split()
            (node.folder / "ports").write_text(f"{port} {own} {dist[2]} {tls}\n")
            node.start()
            node.control("stop_app")
            node.control("join_cluster", f"comfy{first.port}@localhost")
            node.control("start_app")
        return self

    def stop(self):
        for node in reversed(self.nodes):
            node._node("stop")

    def uri(self, port=None, user="guest", password="guest"):
        return ",".join(Broker.uri(node, None if port == self.port else port, user, password) for node in self.nodes)


def ends(cluster):
    return sorted(row[0] / 1000 for store in cluster.stores for row in rows(store, "SELECT ended FROM job WHERE ended IS NOT NULL"))


def longest_pause(times, since, until):
    """Seconds in which nothing ended."""
    inside = [since, *(t for t in times if since < t < until), until]
    return max(b - a for a, b in zip(inside, inside[1:]))


def quorum(run):
    """F24: one of three nodes dies: no pause above 10 s. Two are away: prompts are accepted and run when one is back."""
    pauses, accepted_without = [], 0
    with Folder() as base, Cluster(base, 2, run.workers, options=MANY, broker=Brokers(base / "brokers")) as cluster:
        for store in cluster.stores:
            guard(store)
        cluster.wait_workers()
        journal = Journal(base / "journal")
        clients = [Client(f"c{i}", cluster.frontends[i % 2], journal, ahead=10_000, pause=0.1) for i in range(4)]
        for client in clients:
            client.start()
        wait_until(lambda: len(ends(cluster)) > 20, 60, "prompts that run")
        nodes = cluster.broker.nodes
        for i in range(run.size(3, 6)):
            node = nodes[i % 3]
            since = time.time()
            node.kill()
            time.sleep(25)
            pauses.append(longest_pause(ends(cluster), since, time.time()))
            Broker.start(node)
            time.sleep(15)
        assert max(pauses) <= MOST_PAUSE, f"expected no pause above {MOST_PAUSE} s, found {pauses}\n{cluster.tail()}"
        for node in nodes[1:]:
            node.kill()
        time.sleep(5)
        before, ended = cluster.frontends[0].metric("prompts_accepted_total"), len(ends(cluster))
        time.sleep(15)
        accepted_without = cluster.frontends[0].metric("prompts_accepted_total") - before
        assert accepted_without > 15, f"expected prompts to be accepted without a quorum, {accepted_without} were"
        waiting = len(ends(cluster)) - ended
        back = time.time()
        for node in nodes[1:]:
            node.start()
        wait_until(lambda: any(t > back + 1 for t in ends(cluster)), 120, lambda: f"prompts that run again\n{cluster.tail()}")
        resumed = next(t for t in ends(cluster) if t > back + 1) - back
        for client in clients:
            client.ending.set()
        for client in clients:
            client.finish()
        cluster.wait_idle(300)
        cluster.stop()
        verdict = Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=(len(pauses) + 2) * run.workers)
        return {**verdict.figures(), "pauses_s": [round(p, 1) for p in pauses], "accepted_without_quorum": int(accepted_without),
                "ended_without_quorum": waiting, "resumed_after_s": round(resumed, 1)}
