# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that ask twice or change their mind: F13 and F14."""

import threading
import time

from programs import Folder, Frontend, wait_until
from promises import Client, Journal, Verdict, graph, guard


def in_parallel(count, call):
    """Results of call(i) from threads that begin at the same time."""
    results, start = [None] * count, threading.Barrier(count)

    def one(i):
        start.wait()
        try:
            results[i] = call(i)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def duplicate_submits(run):
    """F13: 50 parallel submissions under one id, or one key, are one prompt."""
    with Folder() as base:
        frontend = Frontend(base).start()
        guard(frontend.store)
        journal = Journal(base / "journal")
        for i in range(run.size(2, 20)):
            name = f"same{i}"
            journal.write("submit", name)
            body = {"prompt_id": name, "prompt": graph(name, i)}
            answers = in_parallel(50, lambda _: frontend.post("/prompt", body))
            assert {answer.status for answer in answers} == {200}, {answer.status for answer in answers}
            assert len({answer.body for answer in answers}) == 1, "expected one answer for all"
            journal.write("accepted", name)
            other = frontend.post("/prompt", {"prompt_id": name, "prompt": graph("other", i + 1000)})
            assert other.status == 409 and other.json()["error"]["type"] == "prompt_id_conflict", other.body

            key = f"key{i}"
            journal.write("submit", key)
            body = {"prompt": graph(key, i + 2000)}
            answers = in_parallel(50, lambda _: frontend.post("/prompt", body, headers={"Idempotency-Key": key}))
            ids = {answer.json()["prompt_id"] for answer in answers}
            assert len(ids) == 1, f"expected one prompt for one key, got {len(ids)}"
            frontend.wait_record(ids.pop())
            frontend.wait_record(name)
            again = frontend.post("/prompt", body, headers={"Idempotency-Key": key})
            assert again.body == answers[0].body, "expected the first answer after the end too"
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output)
        # Prompts under a key have ids of the server's making; their files tell their name.
        assert len(verdict.states) == len(verdict.submitted) == len(verdict.files)
        assert set(verdict.files) == verdict.submitted and not verdict.repeated
        assert all(len(names) == 1 for names in verdict.files.values()), verdict.files
        return {"submissions": 50 * len(verdict.submitted), "executions": len(verdict.files)}


def cancel_races(run):
    """F14: a cancel at a random moment; who was told "cancelled" while it waited never ran."""
    times = run.size(120, 500)
    threads = 4
    told = {}
    with Folder() as base:
        frontend = Frontend(base, "--workers", 2).start()
        guard(frontend.store)
        journal = Journal(base / "journal")

        def race(thread):
            client = Client(f"r{thread}", frontend, journal)
            for i in range(times // threads):
                prompt_id = f"r{thread}-{i}"
                client.submit(prompt_id, i)
                time.sleep(run.random.uniform(0, 0.06))
                answer = frontend.post(f"/api/jobs/{prompt_id}/cancel", {})
                assert answer.status == 200, answer.body
                told[prompt_id] = answer.json()

        in_parallel(threads, race)
        wait_until(frontend.idle, 60, lambda: f"an empty queue\n{frontend.tail()}")
        again = frontend.post("/api/jobs/r0-0/cancel", {})
        assert again.status == 200 and not again.json()["cancelled"], "a second cancel changes nothing"
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check(all_succeed=False)
        waited = [prompt_id for prompt_id, answer in told.items() if answer["status"] == "cancelled" and answer["cancelled"]]
        for prompt_id, answer in told.items():
            state = verdict.states[prompt_id]
            assert state in ("cancelled", "succeeded"), f"{prompt_id} ended as {state}"
            if answer["status"] == "completed":
                assert state == "succeeded" and not answer["cancelled"]
        for prompt_id in waited:
            assert verdict.states[prompt_id] == "cancelled" and verdict.attempts[prompt_id] == 0, f"{prompt_id} ran"
            assert prompt_id not in verdict.files, f"{prompt_id} left a file"
        ended = list(verdict.states.values())
        return {"races": len(told), "cancelled_waiting": len(waited), "cancelled_running": ended.count("cancelled") - len(waited),
                "succeeded": ended.count("succeeded")}
