# SPDX-License-Identifier: GPL-3.0-or-later
"""The product's programs, started for real with folders and ports of their own."""

import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(os.environ.get("COMFY_BIN", HERE / "../../build/default/bin"))
LIBC = ctypes.CDLL(None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    """Asks every 20 ms; `what` says what did not happen in time."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"expected within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return answer


def dies_with_the_test():
    """Runs in the child: no program outlives a test that was killed."""
    PR_SET_PDEATHSIG = 1
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One program over all its lives. Start it from the main thread only: it ends with that."""

    def __init__(self, words, folder, name):
        self.words = [str(word) for word in words]
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.environment = {}
        self.popen = None

    def launch(self, environment=None):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_the_test,
                env={**os.environ, **self.environment, **(environment or {})})

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"expected the end of {self.words[0]} within {seconds} s:\n{self.tail()}") from None

    def tail(self, size=4000):
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def request(port, path, body=None, headers=None, method=None, timeout=20):
    """One exchange on a connection of its own. Raises OSError or HTTPException when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body)
        connection.request(method or ("GET" if data is None else "POST"), path, data, headers or {})
        reply = connection.getresponse()
        return Answer(reply.status, reply.headers, reply.read())
    finally:
        connection.close()


def metric_of(port, name):
    """A number of /metrics."""
    for line in request(port, "/metrics").body.decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"expected {name} in /metrics")


NO_ANSWER = (OSError, http.client.HTTPException)


class Frontend(Process):
    """`comfyui` with a folder of its own."""

    def __init__(self, base, *options, name="comfyui", environment=None):
        self.base = pathlib.Path(base)
        self.port = free_port()
        super().__init__([BIN / "comfyui", "--cwd", self.base, "--port", self.port, *options], self.base, name)
        self.environment = environment or {}
        self.output = self.base / "output"
        self.store = self.base / "user" / "comfyui-jobs.db"

    def start(self, environment=None, seconds=30):
        self.launch(environment)
        return self.wait_ready(seconds)

    def wait_ready(self, seconds=30):
        wait_until(lambda: self.answers() or not self.alive(), seconds, lambda: f"an answer of comfyui\n{self.tail()}")
        assert self.alive(), f"comfyui ended at its start:\n{self.tail()}"
        return self

    def answers(self):
        try:
            return self.get("/prompt").status == 200
        except NO_ANSWER:
            return False

    def get(self, path, **more):
        return request(self.port, path, **more)

    def post(self, path, body, **more):
        return request(self.port, path, body, **more)

    def worker_pids(self):
        return children_of(self.pid, "comfyui-worker")

    def metric(self, name):
        """A number of /metrics, such as workers or broker_garbage_total."""
        return metric_of(self.port, f"comfyui_{name}")

    def broker(self):
        """What /readyz says of the broker."""
        return self.get("/readyz").json()["parts"]["broker"]

    def remaining(self):
        return self.get("/prompt").json()["exec_info"]["queue_remaining"]

    def idle(self):
        """Whether it is there and has nothing to do."""
        try:
            return self.remaining() == 0
        except NO_ANSWER:
            return False

    def record(self, prompt_id):
        """The entry of /history, or nothing before the end."""
        return self.get(f"/history/{prompt_id}").json().get(prompt_id)

    def wait_record(self, prompt_id, seconds=60):
        return wait_until(lambda: self.record(prompt_id), seconds, lambda: f"the end of {prompt_id}\n{self.tail()}")

    def stop(self):
        if self.alive():
            self.signal(signal.SIGINT)
            assert self.wait(20) == 0, self.tail()


def children_of(pid, name):
    try:
        words = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # Children belong to the thread that made them.
        for task in os.listdir(f"/proc/{pid}/task"):
            words += pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    except OSError:
        return []
    return sorted({int(word) for word in words if command_of(int(word)) == name[:15]})


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def kill_quietly(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def memory_of(pid):
    """Private resident bytes."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("expected RssAnon in /proc/PID/status")


def descriptors_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Folder:
    """A temporary folder; kept when the test failed and COMFY_KEEP is set."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="comfyui-faults-"))

    def __enter__(self):
        return self.path

    def __exit__(self, kind, *_):
        if kind is None or not os.environ.get("COMFY_KEEP"):
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print(f"kept: {self.path}")
