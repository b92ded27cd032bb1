# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that cut, swallow and reset what goes between the programs and the broker: F5."""

import time

from cluster import Cluster
from programs import Folder
from promises import Client, Journal, Verdict, guard
from sites import MANY
from tcp_proxy import Proxy

CUTS = ("reset", "half open", "black hole", "deaf", "cut after", "refuse", "slow")
# Those that need no time of their own, for thousands of cuts: MANY_CUTS and more, one right after the other.
QUICK_CUTS = ("reset", "half open", "cut after")
MANY_CUTS = 100


class Network:
    """A way of its own to the broker for each role, with rules of its own."""

    def __init__(self):
        self.ways = {}

    def __call__(self, role, port):
        if role not in self.ways:
            self.ways[role] = Proxy(port)
        return self.ways[role].port

    def close(self):
        for way in self.ways.values():
            way.close()

    def cut(self, random, kind, role, quick=False):
        """One fault of that kind on the way of that role, and its end."""
        way = self.ways[role]
        if kind == "reset":
            way.reset_all()
        elif kind == "half open":
            way.leave_half_open()
            time.sleep(0.2 if quick else 1)
        elif kind == "cut after":
            # Every connection anew, each time the same number of bytes further than the last: into every part of a login.
            way.cut_after = random.randrange(1, 20_000)
            way.reset_all()
            time.sleep(random.uniform(*((0.2, 1) if quick else (2, 6))))
            way.cut_after = None
        elif kind == "slow":
            way.delay, way.rate = 0.05, 40_000
            time.sleep(random.uniform(2, 6))
            way.delay, way.rate = 0, None
        else:
            name = kind.replace(" ", "_")
            setattr(way, name, True)
            if kind == "refuse":
                way.reset_all()
            time.sleep(random.uniform(1, 15))
            setattr(way, name, False)


def cuts(run):
    """F5: each kind of cut in turn, on the way of the frontends or of the workers, while clients submit."""
    network, times = Network(), run.size(4, 21)
    quick = times >= MANY_CUTS
    kinds = QUICK_CUTS if quick else CUTS
    with Folder() as base, Cluster(base, 2, run.workers, options=MANY, address=network) as cluster:
        for store in cluster.stores:
            guard(store)
        cluster.wait_workers()
        journal = Journal(base / "journal")
        clients = [Client(f"c{i}", cluster.frontends[i % 2], journal, pause=0.1) for i in range(4)]
        for client in clients:
            client.start()
        for i in range(times):
            time.sleep(run.random.uniform(*((0, 0.8) if quick else (1, 3))))
            network.cut(run.random, kinds[i % len(kinds)], run.random.choice(["frontend", "worker"]), quick)
        for client in clients:
            client.ending.set()
        for client in clients:
            client.finish()
        cluster.wait_idle(180)
        cluster.stop()
        network.close()
        # A worker whose connection is cut counts as dead although it lives; what it brings afterwards is refused.
        verdict = Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=times * run.workers)
        return {**verdict.figures(), "cuts": times}
