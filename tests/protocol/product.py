# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the product with folders of its own, for tests."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("COMFY_SHARED", ROOT / "../shared"))
REFERENCE = SHARED / "reference"
sys.path.insert(0, str(ROOT / "tests/faults"))
from cluster import Broker

PROGRAMS = pathlib.Path(os.environ.get("COMFY_BIN", ROOT / "build/default/bin"))


# What is between the server and its worker: "socket", or "rabbitmq". The same tests run over either.
TRANSPORT = os.environ.get("COMFY_TRANSPORT", "socket")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Product:
    """A running server; `base` is its folder, `url` its address. `prepare(base)` fills the folder first.

    health: the route that says when it is up; with keys there is only one that asks for none. under: words of a program that runs it, such as strace's.
    """

    def __init__(self, arguments=(), prepare=None, health="/readyz", under=()):
        self.health, self.under = health, under
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="comfyui-test-"))
        if prepare:
            prepare(self.base)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(self.base / "server.log", "w+b")
        self.broker, self.worker = None, None
        options = ["--cwd", self.base, "--port", str(port), *map(str, arguments)]
        if TRANSPORT == "rabbitmq":
            self.broker = Broker(tempfile.mkdtemp(prefix="comfyui-broker-")).start()
            link = ["--distributed-queue-connection-uri", self.broker.uri()]
            self.worker = self.start("comfyui-worker", *options, *link)
            options += ["--distributed-queue-frontend", *link]
        self.process = self.start("comfyui", *options, under=under)

    def start(self, program, *words, under=()):
        # One thread is enough for the models of tests; a second one would wait for a busy core.
        return subprocess.Popen([*under, PROGRAMS / program, *words], stdout=self.log, stderr=subprocess.STDOUT, env={"OMP_NUM_THREADS": "1", **os.environ})

    def __enter__(self):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + self.health, timeout=5) as reply:
                    if reply.status == 200:
                        return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise RuntimeError("the server did not become ready")

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.kill(self.server(), signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.broker:
            self.worker.kill()
            self.worker.wait()
            self.broker.stop()
            shutil.rmtree(self.broker.folder, ignore_errors=True)
        self.log.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def server(self):
        """The process of the server itself."""
        pid = self.process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]) if self.under else pid

    def said(self):
        """What the server has written to its log."""
        return (self.base / "server.log").read_text(errors="replace")
