# SPDX-License-Identifier: GPL-3.0-or-later
"""Two frontends, each with its own store and browsers, share the workers of one broker."""

import json
import pathlib
import sys
import unittest

from websockets.sync.client import connect

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from cluster import Cluster  # noqa: E402
from programs import BIN, Folder, wait_until  # noqa: E402
from promises import rows  # noqa: E402

FAULTS = BIN.parent / "plugins/faults"


def sleeping(number, seconds):
    """A prompt that takes its time and saves a picture."""
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": number}},
            "2": {"class_type": "FaultSleep", "inputs": {"image": ["1", 0], "seconds": seconds}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": f"slept-{number}"}}}


def submit(frontend, name, seconds=0.0, **more):
    answer = frontend.post("/prompt", {"prompt_id": name, "prompt": sleeping(abs(hash(name)) % 0xFFFFFF, seconds), **more})
    assert answer.status == 200, answer.body
    return name


def state(frontend, prompt_id):
    return frontend.get(f"/api/jobs/{prompt_id}").json()["status"]


def end_of(frontend, prompt_id):
    return frontend.wait_record(prompt_id)["status"]["status_str"]


class SeveralFrontends(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = Folder()
        cls.cluster = Cluster(cls.enterClassContext(folder), frontends=2, workers=2, worker_options=("--plugin-directory", FAULTS))
        cls.enterClassContext(cls.cluster)
        cls.cluster.wait_workers()
        cls.a, cls.b = cls.cluster.frontends
        for frontend in cls.cluster.frontends:
            wait_until(lambda f=frontend: "FaultSleep" in f.get("/object_info").json(), 20, "the workers' node classes")

    def test_prompts_of_both_run_on_the_same_workers(self):
        names = [(frontend, submit(frontend, f"{name}-{i}", 0.1)) for i in range(10) for name, frontend in (("a", self.a), ("b", self.b))]
        for frontend, name in names:
            self.assertEqual(end_of(frontend, name), "success")
        for frontend in (self.a, self.b):
            workers = {row[0] for row in rows(frontend.store, "SELECT worker FROM attempt")}
            self.assertEqual(len(workers), 2, "each of the two workers has run prompts of both")

    def test_each_answers_for_its_own_prompts_and_shows_the_files_of_all(self):
        name = submit(self.a, "own")
        record = self.a.wait_record(name)
        self.assertEqual(self.b.get(f"/history/{name}").json(), {})
        self.assertEqual(self.b.get(f"/api/jobs/{name}").status, 404)
        file = record["outputs"]["3"]["images"][0]
        self.assertEqual(self.b.get(f"/view?filename={file['filename']}&type=output").status, 200)

    def test_the_same_id_at_both_is_two_prompts(self):
        for frontend in (self.a, self.b):
            submit(frontend, "twice")
        for frontend in (self.a, self.b):
            self.assertEqual(end_of(frontend, "twice"), "success")
            self.assertEqual(rows(frontend.store, "SELECT attempts FROM job WHERE prompt_id = 'twice'"), [(1,)])

    def test_progress_reaches_the_browser_of_the_frontend_that_has_the_prompt(self):
        # The same client id on purpose: nothing but the frontend tells the two apart.
        with connect(f"ws://127.0.0.1:{self.a.port}/ws?clientId=browser") as of_a, \
             connect(f"ws://127.0.0.1:{self.b.port}/ws?clientId=browser") as of_b:
            submit(self.a, "seen-by-a", 0.2, client_id="browser")
            submit(self.b, "seen-by-b", 0.2, client_id="browser")
            for socket, own in ((of_a, "seen-by-a"), (of_b, "seen-by-b")):
                events = until_the_end(socket)
                self.assertEqual({event["data"]["prompt_id"] for event in events if "prompt_id" in event["data"]}, {own})
                kinds = [event["type"] for event in events]
                for kind in ("execution_start", "executing", "progress", "progress_state", "executed", "execution_success"):
                    self.assertIn(kind, kinds)
                self.assertEqual([event["data"]["value"] for event in events if event["type"] == "progress"], list(range(20)))

    def test_an_interrupt_ends_only_what_the_same_frontend_runs(self):
        submit(self.a, "interrupted", 30)
        submit(self.b, "left-alone", 2)
        for frontend, name in ((self.a, "interrupted"), (self.b, "left-alone")):
            wait_until(lambda f=frontend, n=name: state(f, n) == "in_progress", 20, "both running")
        self.assertEqual(self.a.post("/interrupt", {}).status, 200)
        status = self.a.wait_record("interrupted")["status"]
        self.assertEqual(status["messages"][-1][0], "execution_interrupted")
        self.assertEqual(end_of(self.b, "left-alone"), "success")

    def test_a_long_queue_at_one_does_not_hold_the_other_up(self):
        many = [submit(self.a, f"many-{i}", 0.05) for i in range(60)]
        few = [submit(self.b, f"few-{i}", 0.05) for i in range(6)]
        for name in few:
            self.assertEqual(end_of(self.b, name), "success")
        waiting = self.a.remaining()
        # In turns: when six of B have run, so have about six of A, and those that were at the broker or running before.
        self.assertGreater(waiting, 25)
        for name in many:
            self.assertEqual(end_of(self.a, name), "success")

    def test_a_frontend_that_ends_leaves_the_temporary_files_of_others(self):
        answer = self.a.post("/prompt", {"prompt_id": "preview", "prompt": {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 77}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}})
        self.assertEqual(answer.status, 200)
        file = self.a.wait_record("preview")["outputs"]["2"]["images"][0]
        self.b.stop()
        self.b.start()
        self.assertEqual(self.a.get(f"/view?filename={file['filename']}&type=temp").status, 200)


def until_the_end(socket):
    """The events of one prompt, up to the one that says that nothing runs any more."""
    events = []
    while True:
        message = socket.recv(timeout=30)
        if isinstance(message, bytes):
            continue
        event = json.loads(message)
        events.append(event)
        if event["type"] == "executing" and event["data"]["node"] is None:
            return events


if __name__ == "__main__":
    unittest.main()
