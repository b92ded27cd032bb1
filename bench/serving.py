# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of the server share: a server in a folder of its own, a client, and the line they print."""
import http.client
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from start import free_port, wait

BIN = pathlib.Path(os.environ.get("COMFY_BIN", pathlib.Path(__file__).resolve().parent.parent / "build/default/bin"))


def line(bench, case, values, unit, **more):
    """Prints the samples as one JSON line."""
    values = sorted(values)
    middle = statistics.median(values)
    print(json.dumps({"bench": bench, "case": case, "value": middle, "unit": unit, "n": len(values), "median": middle, "min": values[0],
                      "p99": values[min(len(values) - 1, int(len(values) * 0.99))], "max": values[-1], **more, "baseline": None, "ratio": None,
                      "threads": os.cpu_count()}), flush=True)


class Running:
    """A server while the block lasts. `base` is kept when it is given."""

    def __init__(self, *arguments, base=None, binary=None):
        self.own = base is None
        self.base = pathlib.Path(base or tempfile.mkdtemp())
        self.port = free_port()
        self.command = [(binary or BIN) / "comfyui", "--cwd", self.base, "--port", str(self.port), *map(str, arguments)]

    def __enter__(self):
        log = open(self.base / "server.log", "w")
        self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait(lambda: self.fetch("/system_stats"), 60)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if self.own:
            shutil.rmtree(self.base, ignore_errors=True)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def fetch(self, path, body=None):
        connection = self.connect()
        try:
            connection.request("GET" if body is None else "POST", path, body=None if body is None else json.dumps(body))
            reply = connection.getresponse()
            raw = reply.read()
            if reply.status >= 400:
                raise SystemExit(f"{path}: {reply.status} {raw[:300]}")
            return json.loads(raw or b"null")
        finally:
            connection.close()

    def fetch_text(self, path):
        connection = self.connect()
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def header(self, path, name):
        connection = self.connect()
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
        connection.close()
        return reply.getheader(name)

    def settle(self):
        """Gives work that nobody waits for a moment to end."""
        time.sleep(1)

    def times(self, path, count, headers={}, status=200):
        """Milliseconds from sending to the last byte, on one connection; also the bytes of the last answer."""
        connection, found, size = self.connect(), [], 0
        for _ in range(count):
            begin = time.perf_counter()
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            size = len(reply.read())
            found.append((time.perf_counter() - begin) * 1e3)
            if reply.status != status:
                raise SystemExit(f"{path}: expected {status}, got {reply.status}")
        connection.close()
        return found, size

    def first_bytes(self, path, count):
        """Milliseconds from sending to the first byte of the answer."""
        found = []
        for _ in range(count):
            connection = self.connect()
            begin = time.perf_counter()
            connection.request("GET", path)
            connection.getresponse()
            found.append((time.perf_counter() - begin) * 1e3)
            connection.close()
        return found

    def ready(self):
        wait(lambda: self.fetch("/prompt") if self.workers() else None, 60)

    def workers(self):
        connection = self.connect()
        try:
            connection.request("GET", "/readyz")
            return json.loads(connection.getresponse().read())["parts"]["worker"]
        finally:
            connection.close()

    def memory(self, kind="Rss"):
        """Megabytes of the server alone: Rss, or Private for what is not shared."""
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(row.split()[1]) for row in rollup.splitlines() if row.startswith(kind)) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def say(text):
    print(text, file=sys.stderr, flush=True)
