# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that die, stop or hang: F1 to F4."""

import os
import signal
import time

from programs import Folder, Frontend, kill_quietly, state_of, wait_until
from promises import Client, Journal, Verdict, guard, rows
from sites import MANY, site

# Where the programs can be made to die (COMFY_FAIL_AT), in the order of a prompt's life.
POINTS = ("parsed", "before_commit", "after_commit", "before_reply", "after_publish", "after_delivery", "after_claim",
          "after_go", "mid_node", "before_publish", "ledger", "link", "before_finish", "after_finish", "before_ack",
          "after_ack")
# Killed sooner after its start, RabbitMQ 3.10 may lose a queue: tests/broker/forgotten_queue.test.mjs.
YOUNG_BROKER = 8


class Killer:
    """Random deaths at one site. With numbers asked for, kinds that had theirs are spared."""

    def __init__(self, random, where, wanted):
        self.random, self.where, self.wanted = random, where, wanted
        self.count = dict.fromkeys(where.kinds, 0)
        self.broker_started = time.monotonic()

    def missing(self):
        return [kind for kind, wanted in self.wanted.items() if self.count[kind] < wanted]

    def one(self):
        # In the mix that was asked for, so that each kind of death meets the others all the time.
        kinds = self.missing() if any(self.wanted.values()) else ["worker", "frontend"] * 5 + list(self.where.kinds)
        weights = [self.wanted[kind] - self.count[kind] for kind in kinds] if any(self.wanted.values()) else [1] * len(kinds)
        if not kinds:
            return
        kind = self.random.choices(kinds, weights)[0]
        if kind == "broker" and time.monotonic() < self.broker_started + YOUNG_BROKER:
            return
        self.count[kind] += self.where.kill_one(kind, self.random)
        if kind == "broker":
            self.broker_started = time.monotonic()


def random_kills(run):
    """F1: kill -9 of workers, frontends and the broker at random times, while clients submit."""
    with Folder() as base, site(run, base) as where:
        wanted = {kind: int(run.kills.get(kind, 0)) for kind in where.kinds}
        for store in where.stores:
            guard(store)
        each = run.prompts // 4 if run.prompts else None
        journal = Journal(base / "journal")
        clients = [Client(f"c{i}", where.frontends[i % len(where.frontends)], journal, pause=0 if each else 0.05) for i in range(4)]
        started = time.monotonic()
        for client in clients:
            client.start()
        killer = Killer(run.random, where, wanted)

        def going_on():
            if run.prompts:
                # So many prompts at the least: as long as there are kills left, there is something for them to hit.
                return any(client.is_alive() and client.submitted < each for client in clients) or killer.missing()
            return time.monotonic() < started + run.size(24, 110)

        # Every 2 to 4 s, as long as there are any left to be made (gate: 1 to 2).
        while going_on():
            time.sleep(run.random.uniform(*((2, 4) if run.full or run.prompts else (1, 2))))
            killer.one()
        for client in clients:
            client.ending.set()
        for client in clients:
            client.finish()
        where.wait_idle(300)
        kills = sum(killer.count.values())
        for frontend in where.frontends:
            same_history_after_a_kill(frontend)
        where.stop()
        verdict = Verdict(base / "journal", where.stores, where.output).check(most_repeated=kills * run.workers)
        assert kills >= (3 if run.prompts else 10), f"expected 10 kills or more, made {kills}"
        return {**verdict.figures(), "kills": killer.count}


def same_history_after_a_kill(frontend):
    shown = frontend.get("/history").body
    frontend.kill()
    assert frontend.start().get("/history").body == shown, "expected the same history, byte for byte, after a kill"


def die_once_at(run, point):
    """Three prompts, one death at the point, the client asks again with the same ids: nothing shows."""
    with Folder() as base:
        ticket = base / "ticket"
        ticket.touch()
        environment = {"COMFY_FAIL_AT": point, "COMFY_FAIL_TICKET": str(ticket)}
        frontend = Frontend(base, *MANY, environment=environment).start()
        guard(frontend.store)
        client = Client("c0", frontend, Journal(base / "journal"), count=3, ahead=100)
        client.start()
        # The server's own death shows here; a worker's is the server's business.
        while client.is_alive() or not frontend.idle():
            if not frontend.alive():
                assert not ticket.exists(), f"comfyui ended by itself:\n{frontend.tail()}"
                frontend.start()
            client.join(0.02)
        client.finish()
        assert not ticket.exists(), f"expected a death at {point}, there was none"
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check(most_repeated=1)
        assert len(verdict.states) == 3, verdict.states
        assert not verdict.left, f"left behind after a death at {point}: {verdict.left}"


def death_at_each_point(run):
    """F2: the process that reaches the point dies there, once."""
    times = run.size(1, 3)
    for point in POINTS:
        for _ in range(times):
            try:
                die_once_at(run, point)
            except AssertionError as error:
                raise AssertionError(f"at {point}: {error}") from None
    return {"points": len(POINTS), "times": times, "lost": 0, "unexpected": 0, "duplicated": 0}


def pause_at(run, point, seconds):
    """A worker stops at the point; another takes over; what wakes later changes nothing."""
    with Folder() as base:
        ticket = base / "ticket"
        ticket.touch()
        environment = {"COMFY_FAIL_AT": f"{point}:stop", "COMFY_FAIL_TICKET": str(ticket)}
        frontend = Frontend(base, "--workers", 2, *MANY, environment=environment).start()
        guard(frontend.store)
        client = Client("c0", frontend, Journal(base / "journal"), count=3, ahead=100)
        client.start()
        client.finish()
        stopped = wait_until(lambda: [pid for pid in [frontend.pid, *frontend.worker_pids()] if state_of(pid) == "T"], 20,
                             f"a stop at {point}")
        if stopped == [frontend.pid]:
            time.sleep(seconds)
        else:
            # The lease of a child that stands still lapses, and it is ended for good.
            wait_until(frontend.idle, 45, lambda: f"a takeover\n{frontend.tail()}")
        for pid in stopped:
            kill_quietly(pid, signal.SIGCONT)
        wait_until(frontend.idle, 45, lambda: f"an empty queue\n{frontend.tail()}")
        frontend.stop()
        Verdict(base / "journal", [frontend.store], frontend.output).check(most_repeated=1)


def pause_at_points(run):
    """F3: SIGSTOP at a point, SIGCONT later."""
    points = ("link", "before_finish") if not run.full else ("after_go", "ledger", "link", "before_finish", "before_ack")
    for point in points:
        try:
            pause_at(run, point, 60 if run.full else 5)
        except AssertionError as error:
            raise AssertionError(f"at {point}: {error}") from None
    return {"points": len(points)}


def hung_worker(run):
    """F4: a worker that stands still loses its lease; the prompt runs elsewhere within 35 s, and what the worker brings later is refused."""
    times, slowest = run.size(1, 3), 0
    with Folder() as base, site(run, base) as where:
        frontend = where.frontends[0]
        guard(frontend.store)
        journal = Journal(base / "journal")
        for i in range(times):
            client = Client(f"c{i}", frontend, journal, count=1, side=3000)
            client.start()
            running = wait_until(lambda: rows(frontend.store, "SELECT worker FROM attempt WHERE ended IS NULL"), 20, "a run")
            pid = where.pid_of(running[0][0])
            os.kill(pid, signal.SIGSTOP)
            stopped = time.monotonic()
            client.finish()
            wait_until(lambda: len(rows(frontend.store, "SELECT 1 FROM attempt WHERE prompt_id = ?", f"c{i}-0")) == 2, 40,
                       lambda: f"another attempt\n{frontend.tail()}")
            slowest = max(slowest, time.monotonic() - stopped)
            frontend.wait_record(f"c{i}-0")
            where.after_hang(pid)
        where.wait_idle()
        where.stop()
        verdict = Verdict(base / "journal", where.stores, where.output).check(most_repeated=times)
        assert slowest <= 35.5, f"taken over after {slowest:.1f} s"
        return {**verdict.figures(), "takeover_s": round(slowest, 1)}
