# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that die, stop or hang: F1 to F4."""

import os
import signal
import time

from programs import Folder, Frontend, children_of, kill_quietly, wait_until
from promises import Client, Journal, Verdict, graph, guard, rows

# Where the programs can be made to die (COMFY_FAIL_AT), in the order of a prompt's life.
POINTS = ("parsed", "before_commit", "after_commit", "before_reply", "after_publish", "after_delivery", "after_claim",
          "after_go", "mid_node", "before_publish", "ledger", "link", "before_finish", "after_finish", "before_ack",
          "after_ack")
MANY = ("--max-attempts", 1000)  # a prompt is not to blame for our kills


class Killer:
    """Random deaths: of workers, and of frontends, which are started again at once."""

    def __init__(self, random, frontend):
        self.random, self.frontend = random, frontend
        self.count = {"worker": 0, "frontend": 0}

    def worker(self):
        pids = self.frontend.worker_pids()
        if pids and kill_quietly(self.random.choice(pids), signal.SIGKILL):
            self.count["worker"] += 1

    def frontend_(self):
        self.frontend.kill()
        self.count["frontend"] += 1
        self.frontend.start()

    def one(self, kind):
        self.worker() if kind == "worker" else self.frontend_()


def random_kills(run):
    """F1: kill -9 of workers and frontend at random times, while clients submit."""
    wanted = {kind: int(run.kills.get(kind, 0)) for kind in ("worker", "frontend")}
    with Folder() as base:
        frontend = Frontend(base, "--workers", run.workers, *MANY).start()
        guard(frontend.store)
        journal = Journal(base / "journal")
        each = run.prompts // 4 if run.prompts else None
        clients = [Client(f"c{i}", frontend, journal, count=each, pause=0 if each else 0.05) for i in range(4)]
        started = time.monotonic()
        for client in clients:
            client.start()
        killer = Killer(run.random, frontend)

        def going_on():
            if run.prompts:
                return any(client.is_alive() for client in clients) or any(killer.count[k] < n for k, n in wanted.items())
            return time.monotonic() < started + run.size(24, 110)

        # With a number of kills given, they are spread over the run; else one every 2 to 4 s (gate: 1 to 2).
        while going_on():
            kind = run.random.choice(["worker", "frontend"])
            if run.prompts and wanted[kind] and killer.count[kind] >= wanted[kind]:
                kind = next((k for k, n in wanted.items() if killer.count[k] < n), None)
            time.sleep(run.random.uniform(*((2, 4) if run.full or run.prompts else (1, 2))))
            if kind:
                killer.one(kind)
        for client in clients:
            client.ending.set()
        for client in clients:
            client.finish()
        wait_until(frontend.idle, 120, lambda: f"an empty queue\n{frontend.tail()}")
        kills = sum(killer.count.values())
        shown = frontend.get("/history").body
        frontend.kill()
        assert frontend.start().get("/history").body == shown, "expected the same history, byte for byte, after a kill"
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check(most_repeated=kills * run.workers)
        assert kills >= (3 if run.prompts else 10), f"expected 10 kills or more, made {kills}"
        return {**verdict.figures(), "kills": killer.count}


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


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


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
    """F4: a worker that stands still loses its lease; the prompt runs elsewhere within 35 s."""
    times, slowest = run.size(1, 3), 0
    with Folder() as base:
        frontend = Frontend(base, "--workers", 2, *MANY).start()
        guard(frontend.store)
        journal = Journal(base / "journal")
        for i in range(times):
            client = Client(f"c{i}", frontend, journal, count=1, side=3000)
            client.start()
            running = wait_until(lambda: rows(frontend.store, "SELECT worker FROM attempt WHERE ended IS NULL"), 20, "a run")
            pid = int(running[0][0].rsplit("-", 1)[1])
            os.kill(pid, signal.SIGSTOP)
            stopped = time.monotonic()
            client.finish()
            wait_until(lambda: len(rows(frontend.store, "SELECT 1 FROM attempt WHERE prompt_id = ?", f"c{i}-0")) == 2, 40,
                       lambda: f"another attempt\n{frontend.tail()}")
            slowest = max(slowest, time.monotonic() - stopped)
            frontend.wait_record(f"c{i}-0")
            assert not kill_quietly(pid, 0) or state_of(pid) in ("Z", ""), "the hung worker is still there"
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check(most_repeated=times)
        assert slowest <= 35.5, f"taken over after {slowest:.1f} s"
        return {**verdict.figures(), "takeover_s": round(slowest, 1)}
