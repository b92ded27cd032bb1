# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of two versions on one queue, and a store that the older one made: F18. COMFY_OLD_BIN names the older programs."""

import os
import pathlib

from cluster import Cluster
from programs import Folder
from promises import Client, Journal, Verdict, guard, rows
from sites import MANY


def upgrade(run):
    """F18: both directions at once, then the older frontend's store under the newer frontend, while clients submit."""
    older = os.environ.get("COMFY_OLD_BIN")
    assert older, "expected COMFY_OLD_BIN, the folder of the older programs"
    older, count = pathlib.Path(older), run.size(20, 100)
    with Folder() as base, Cluster(base, 1, 1, options=MANY) as cluster:
        newer_frontend, newer_worker = cluster.frontends[0], cluster.workers[0]
        older_frontend, older_worker = cluster.add_frontend(), cluster.add_worker()
        older_frontend.words[0], older_worker.words[0] = str(older / "comfyui"), str(older / "comfyui-worker")
        older_frontend.start()
        older_worker.launch()
        cluster.wait_workers()
        for store in cluster.stores:
            guard(store)
        journal = Journal(base / "journal")
        run_some(cluster, journal, "c", count)
        workers = [{row[0] for row in rows(store, "SELECT worker FROM attempt")} for store in cluster.stores]
        assert all(len(names) == 2 for names in workers), f"expected each frontend to use both workers, found {workers}"

        # The older frontend ends in the middle, and the newer programs go on with its store and its prompts.
        client = Client("d1", older_frontend, journal, count=count, ahead=10_000)
        client.start()
        client.finish()
        older_frontend.kill()
        older_worker.kill()
        older_frontend.words[0], older_worker.words[0] = newer_frontend.words[0], newer_worker.words[0]
        older_frontend.start()
        older_worker.launch()
        run_some(cluster, journal, "e", count)
        cluster.wait_idle()
        cluster.stop()
        verdict = Verdict(base / "journal", cluster.stores, cluster.output).check(most_repeated=2)
        return verdict.figures()


def run_some(cluster, journal, name, count):
    clients = [Client(f"{name}{i}", frontend, journal, count=count) for i, frontend in enumerate(cluster.frontends)]
    for client in clients:
        client.start()
    for client in clients:
        client.finish()
    cluster.wait_idle()
