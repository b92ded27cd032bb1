# SPDX-License-Identifier: GPL-3.0-or-later
"""A real RabbitMQ with frontends and workers around it: each frontend has a store of its own, all share the folders."""

import os
import pathlib
import signal
import subprocess

from programs import BIN, HERE, Frontend, Process, wait_until

NODE = HERE / "../broker/rabbitmq_node"
SHARED_FOLDERS = ("input", "output", "temp")


class Broker:
    """A private node in a folder of its own. `settings`: lines of rabbitmq.conf."""

    def __init__(self, folder, settings=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "extra.conf").write_text(settings)

    def start(self):
        self.port = int(self._node("start", str(os.getpid())))
        return self

    def kill(self):
        self._node("kill")

    def stop(self):
        self._node("stop")

    def wipe(self):
        """Ends it and throws all of its data away."""
        self.kill()
        subprocess.run(["rm", "-r", self.folder / "data"], check=True)

    def control(self, *words):
        """What rabbitmqctl prints. Takes a second or two."""
        return self._node("ctl", *words)

    def queues(self):
        """Name and number of messages of every queue."""
        lines = self.control("list_queues", "--no-table-headers", "name", "messages").splitlines()
        return {name: int(count or 0) for name, count in (line.split("\t") for line in lines)}

    def uri(self, port=None, user="guest", password="guest"):
        return f"amqp://{user}:{password}@127.0.0.1:{port or self.port}"

    def _node(self, command, *words):
        done = subprocess.run([NODE, command, self.folder, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"rabbitmq_node {command} {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()


class Cluster:
    """Frontends, workers and the broker, started on entering and ended on leaving. `address(role, port)` may put something
    between a program ("frontend", "worker") and the broker's port: it gives the port to connect to."""

    kinds = ("worker", "frontend", "broker")

    def __init__(self, base, frontends=1, workers=2, *, options=(), worker_options=(), settings="", address=None, broker=None):
        self.base, self.output = base, base / "output"
        self.broker = broker or Broker(base / "broker", settings)
        self.options, self.worker_options = options, worker_options
        self.sizes = {"frontend": frontends, "worker": workers}
        self.address = address or (lambda role, port: port)
        self.frontends, self.workers = [], []

    def __enter__(self):
        for name in SHARED_FOLDERS:
            (self.base / name).mkdir(exist_ok=True)
        try:
            self.broker.start()
            for _ in range(self.sizes["frontend"]):
                self.add_frontend().start()
            for _ in range(self.sizes["worker"]):
                self.add_worker().launch()
        except BaseException:
            self.__exit__(AssertionError)
            raise
        return self

    def __exit__(self, kind, *_):
        # Frontends first: they leave without waiting, and a test that failed wants no more of them.
        for process in (*self.frontends, *self.workers):
            if process.alive():
                process.kill()
        self.broker.stop()

    def link(self, role):
        return ("--distributed-queue-connection-uri", self.broker.uri(self.address(role, self.broker.port)))

    def add_frontend(self, *options, base=None):
        """`base`: the folder of one that was there before, with its store."""
        base = base or self.base / f"frontend{len(self.frontends)}"
        base.mkdir(exist_ok=True)
        # --temp-directory names the folder in which "temp" is.
        shared = [word for name in SHARED_FOLDERS for word in (f"--{name}-directory", self.base if name == "temp" else self.base / name)]
        frontend = Frontend(base, "--distributed-queue-frontend", *self.link("frontend"), *shared, *self.options, *options)
        frontend.output = self.output
        self.frontends.append(frontend)
        return frontend

    def add_worker(self, *options):
        name = f"worker{len(self.workers)}"
        worker = Process([BIN / "comfyui-worker", "--cwd", self.base, *self.link("worker"), *self.worker_options, *options], self.base, name)
        worker.environment = {"OMP_NUM_THREADS": "1"}
        self.workers.append(worker)
        return worker

    @property
    def stores(self):
        return [frontend.store for frontend in self.frontends]

    def idle(self):
        return all(frontend.idle() for frontend in self.frontends)

    def wait_idle(self, seconds=120):
        wait_until(self.idle, seconds, lambda: f"empty queues\n{self.tail()}")

    def wait_workers(self, count=None, seconds=60):
        """Every frontend knows of as many workers."""
        count = len(self.workers) if count is None else count
        for frontend in self.frontends:
            wait_until(lambda f=frontend: f.metric("workers") >= count, seconds, lambda: f"{count} workers\n{self.tail()}")
        return self

    def tail(self):
        return "\n".join(f"{process.log}:\n{process.tail(1500)}" for process in (*self.frontends, *self.workers))

    def kill_one(self, kind, random):
        """kill -9 of one of a kind; it is started again at once."""
        if kind == "broker":
            self.broker.kill()
            self.broker.start()
            return True
        process = random.choice(self.workers if kind == "worker" else self.frontends)
        process.kill()
        process.launch() if kind == "worker" else process.start()
        return True

    def pid_of(self, worker):
        """Of a worker's name at the broker, "worker-HOST-PID-CHANCE.CONNECTION"."""
        return int(worker.split("-")[-2])

    def after_hang(self, pid):
        """Nobody can end it from afar. It wakes, learns that its attempt is lost, and is of use again."""
        os.kill(pid, signal.SIGCONT)
        self.wait_workers()

    def stop(self):
        """A clean end of every program."""
        for frontend in self.frontends:
            frontend.stop()
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for worker in self.workers:
            assert worker.wait(40) == 0, worker.tail()
