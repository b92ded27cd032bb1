# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that do not reach their broker say so once a minute, keep trying, and recover by themselves."""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from cluster import Cluster  # noqa: E402
from programs import Folder, wait_until  # noqa: E402
from promises import graph  # noqa: E402

COMPLAINT = "has no connection to amqp://127.0.0.1:"


class Outage(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(self.enterContext(Folder()), frontends=1, workers=1)

    def complaints(self):
        return [process.tail(1 << 20).count(COMPLAINT) for process in (*self.cluster.frontends, *self.cluster.workers)]

    def connected(self):
        return self.cluster.frontends[0].broker()["connected"]

    def test_a_broker_that_comes_late_and_goes_again(self):
        cluster, broker = self.cluster, self.cluster.broker
        broker.start()  # once, for its port
        broker.kill()
        start, broker.start = broker.start, lambda: broker
        self.enterContext(cluster)
        broker.start = start
        frontend, = cluster.frontends
        begun = time.monotonic()
        wait_until(lambda: self.complaints() == [1, 1], 30, lambda: f"one complaint each\n{cluster.tail()}")
        ready = frontend.get("/readyz")
        self.assertEqual(ready.status, 503)
        self.assertFalse(ready.json()["parts"]["broker"]["connected"])
        self.assertIn("connecting", ready.json()["parts"]["broker"]["detail"])
        self.assertEqual(frontend.get("/healthz").status, 200)
        self.assertEqual(frontend.post("/prompt", {"prompt_id": "early", "prompt": graph("early", 1)}).status, 200)
        # Dozens of tries, and each says no more than once a minute.
        time.sleep(max(0.0, begun + 75 - time.monotonic()))
        self.assertEqual(self.complaints(), [2, 2])
        self.assertNotIn("guest:guest", cluster.tail())

        broker.start()
        self.assertEqual(frontend.wait_record("early")["status"]["status_str"], "success")
        wait_until(lambda: frontend.get("/readyz").status == 200, 20, lambda: f"a ready frontend\n{cluster.tail()}")
        said = self.complaints()

        time.sleep(12)  # long enough to count as a connection, and for the broker to write its queues down
        broker.kill()
        wait_until(lambda: not self.connected(), 20, "word of the outage")
        wait_until(lambda: self.complaints() == [count + 1 for count in said], 20, lambda: f"one more complaint each, at once\n{cluster.tail()}")
        broker.start()
        wait_until(lambda: frontend.get("/readyz").status == 200, 60, lambda: f"a ready frontend\n{cluster.tail()}")
        self.assertEqual(frontend.post("/prompt", {"prompt_id": "late", "prompt": graph("late", 2)}).status, 200)
        self.assertEqual(frontend.wait_record("late")["status"]["status_str"], "success")

    def test_a_user_that_the_broker_does_not_know(self):
        cluster = self.cluster
        cluster.link = lambda role: ("--distributed-queue-connection-uri", cluster.broker.uri(password="wrong-password"))
        self.enterContext(cluster)
        wait_until(lambda: self.complaints() == [1, 1], 30, lambda: f"one complaint each\n{cluster.tail()}")
        for process in (*cluster.frontends, *cluster.workers):
            self.assertIn("ACCESS_REFUSED", process.tail())
            self.assertNotIn("wrong-password", process.tail(1 << 20))

    def test_an_object_of_another_kind_under_a_name_of_ours_ends_the_frontend_with_a_clear_error(self):
        cluster = self.cluster
        cluster.sizes = {"frontend": 0, "worker": 0}
        self.enterContext(cluster)
        cluster.broker.control("eval", 'rabbit_exchange:declare(rabbit_misc:r(<<"/">>, exchange, <<"comfy.events">>), fanout, true, false, false, [], <<"x">>).')
        frontend = cluster.add_frontend()
        frontend.launch()
        self.assertEqual(frontend.wait(30), 1)
        self.assertIn("other settings", frontend.tail())
        self.assertIn("comfy.events", frontend.tail())


if __name__ == "__main__":
    unittest.main()
