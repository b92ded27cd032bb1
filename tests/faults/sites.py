# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a fault happens: a server with workers of its own, or a cluster around a broker. Both are used alike."""

import signal

from cluster import Cluster
from programs import Frontend, kill_quietly, state_of, wait_until

MANY = ("--max-attempts", 1000)  # a prompt is not to blame for our kills


class Alone:
    """One server that starts its own workers."""

    kinds = ("worker", "frontend")

    def __init__(self, base, workers=2):
        self.frontend = Frontend(base, "--workers", workers, *MANY)
        self.frontends, self.output, self.stores = [self.frontend], self.frontend.output, [self.frontend.store]

    def __enter__(self):
        self.frontend.start()
        return self

    def __exit__(self, *_):
        if self.frontend.alive():
            self.frontend.kill()

    def idle(self):
        return self.frontend.idle()

    def wait_idle(self, seconds=120):
        wait_until(self.idle, seconds, lambda: f"an empty queue\n{self.frontend.tail()}")

    def kill_one(self, kind, random):
        """kill -9 of one of a kind; it is started again at once. False when there was none to be killed."""
        if kind == "worker":
            pids = self.frontend.worker_pids()
            return bool(pids) and kill_quietly(random.choice(pids), signal.SIGKILL)
        self.frontend.kill()
        self.frontend.start()
        return True

    def pid_of(self, worker):
        return int(worker.rsplit("-", 1)[1])

    def after_hang(self, pid):
        """The server has ended its worker for good."""
        assert not kill_quietly(pid, 0) or state_of(pid) in ("Z", ""), "the hung worker is still there"

    def stop(self):
        self.frontend.stop()


def site(run, base):
    """As the command line asks for."""
    if run.transport == "socket":
        return Alone(base, run.workers)
    return Cluster(base, run.frontends, run.workers, options=MANY)
