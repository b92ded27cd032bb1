# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops that lose nothing, repeat nothing and end in time: F17."""

import signal
import time

from programs import Folder, Frontend, kill_quietly, wait_until
from promises import Client, Journal, Verdict, guard, rows

DRAIN = 1.0
GRACE = 2.0
SLACK = 1.0  # of a busy test machine


def history(store):
    return rows(store, "SELECT * FROM job WHERE finish_order IS NOT NULL ORDER BY finish_order")


def stops(run):
    """F17: SIGTERM at random moments, once or twice, or SIGINT."""
    times = run.size(10, 50)
    slowest = {}
    with Folder() as base:
        frontend = Frontend(base, "--workers", 2, "--drain-seconds", DRAIN, "--max-attempts", 1).start()
        guard(frontend.store)
        journal = Journal(base / "journal")
        # Some prompts take longer than the drain: they are given back and run again.
        clients = [Client("c0", frontend, journal, pause=0.05), Client("c1", frontend, journal, side=2500, ahead=8, pause=0.5)]
        for client in clients:
            client.start()
        for i in range(times):
            time.sleep(run.random.uniform(0.2, 1.2))
            how = ("term", "term twice", "int")[i % 3]
            workers = frontend.worker_pids()
            started = time.monotonic()
            frontend.signal(signal.SIGINT if how == "int" else signal.SIGTERM)
            if how == "term twice":
                time.sleep(run.random.uniform(0.01, 0.3))
                frontend.signal(signal.SIGTERM)
            limit = GRACE + SLACK + (DRAIN if how == "term" else 0.3 if how == "term twice" else 0)
            status = frontend.wait(limit)
            assert status == 0, f"expected status 0 after {how}, got {status}\n{frontend.tail()}"
            slowest[how] = max(slowest.get(how, 0), time.monotonic() - started)
            assert not any(kill_quietly(pid, 0) for pid in workers), "workers outlived their server"
            before = history(frontend.store)
            frontend.start()
            assert history(frontend.store)[:len(before)] == before, "history changed over a restart"
        for client in clients:
            client.ending.set()
        for client in clients:
            client.finish()
        wait_until(frontend.idle, 120, lambda: f"an empty queue\n{frontend.tail()}")
        frontend.stop()
        # One attempt is all there is: a stop that counted one would have failed its prompt.
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check(most_repeated=0)
        return {**verdict.figures(), "stops": times, "slowest_s": {how: round(s, 2) for how, s in slowest.items()}}
