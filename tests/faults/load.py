# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that do not read, floods and long runs: F15, F20 and F22."""

import base64
import os
import socket
import time

from programs import Folder, Frontend, descriptors_of, memory_of, wait_until
from promises import Client, Journal, Verdict, graph, guard

MIB = 1 << 20


def deaf_socket(port, client_id):
    """A WebSocket that was opened and is never read."""
    opened = socket.create_connection(("127.0.0.1", port), timeout=10)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = base64.b64encode(os.urandom(16)).decode()
    opened.sendall((f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
                    f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
    assert opened.recv(12).startswith(b"HTTP/1.1 101"), "expected a WebSocket"
    return opened


def seconds_for(frontend, names, number):
    """How long these prompts take, without a client: their events go to everybody."""
    started = time.monotonic()
    for i, name in enumerate(names):
        assert frontend.post("/prompt", {"prompt_id": name, "prompt": graph(name, number + i)}).status == 200
    for name in names:
        frontend.wait_record(name)
    return time.monotonic() - started


def deaf_sockets(run):
    """F15: 100 clients that do not read cost less than 1 MiB each and stop nothing."""
    count = 100
    prompts = run.size(60, 300)
    with Folder() as base:
        frontend = Frontend(base).start()
        seconds_for(frontend, [f"warm-{i}" for i in range(20)], 0)
        alone = seconds_for(frontend, [f"alone-{i}" for i in range(prompts)], 1000)
        before = memory_of(frontend.pid)
        sockets = [deaf_socket(frontend.port, f"deaf{i}") for i in range(count)]
        deaf = seconds_for(frontend, [f"deaf-{i}" for i in range(prompts)], 10_000)
        grown = memory_of(frontend.pid) - before
        assert grown < count * MIB, f"expected less than 1 MiB for each socket, found {grown / count / MIB:.2f}"
        for one in sockets:
            one.close()
        frontend.stop()
        return {"sockets": count, "kib_per_socket": round(grown / count / 1024), "slower": round(deaf / alone - 1, 3)}


def flood(run):
    """F20: a queue filled to its limit is answered with 429, stays quick, and is worked off."""
    limit = run.prompts or (5000 if run.full else 1000)
    with Folder() as base:
        frontend = Frontend(base, "--start-paused", "--workers", 3, "--max-queue-size", limit).start()
        guard(frontend.store)
        before = memory_of(frontend.pid)
        journal = Journal(base / "journal")
        clients = [Client(f"c{i}", frontend, journal, count=limit // 3, ahead=limit * 2, side=8) for i in range(3)]
        started = time.monotonic()
        for client in clients:
            client.start()
        for client in clients:
            client.finish(1200)
        accept = time.monotonic() - started
        for i in range(limit - 3 * (limit // 3)):
            clients[0].submit(f"c9-{i}", i)
        refused = frontend.post("/prompt", {"prompt": graph("more", 1)})
        assert refused.status == 429 and refused.headers["Retry-After"], f"{refused.status} {refused.body}"
        started = time.monotonic()
        queue = frontend.get("/queue").json()
        listed = time.monotonic() - started
        assert len(queue["queue_pending"]) == limit, len(queue["queue_pending"])
        grown = memory_of(frontend.pid) - before
        assert frontend.post("/queue/resume", {}).json() == {"paused": False}
        wait_until(frontend.idle, 600, lambda: f"an empty queue\n{frontend.tail()}")
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check()
        return {**verdict.figures(), "queued": limit, "accept_per_s": round(limit / accept), "queue_ms": round(listed * 1000),
                "grown_mib": round(grown / MIB, 1)}


def soak(run):
    """F22: nothing grows with the number of prompts."""
    count = run.prompts or run.size(200, 1000)
    with Folder() as base:
        frontend = Frontend(base).start()
        guard(frontend.store)
        journal = Journal(base / "journal")

        def measure(name):
            client = Client(name, frontend, journal, count=count)
            client.start()
            client.finish(1200)
            wait_until(frontend.idle, 120, "an empty queue")
            [worker] = frontend.worker_pids()
            return {"server": (memory_of(frontend.pid), descriptors_of(frontend.pid)),
                    "worker": (memory_of(worker), descriptors_of(worker))}

        measure("c0")  # the first ones fill caches
        first, second = measure("c1"), measure("c2")
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check()
        slopes = {}
        for program in first:
            slopes[program] = round((second[program][0] - first[program][0]) / MIB / count * 1000, 2)
            assert second[program][1] <= first[program][1] + 1, f"descriptors of the {program} grow: {first} {second}"
            assert slopes[program] <= 1, f"expected at most 1 MiB per 1,000 prompts, the {program} grew by {slopes[program]}"
        return {**verdict.figures(), "mib_per_1000": slopes}
