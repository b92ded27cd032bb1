# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers of several kinds around one broker: each prompt runs where its nodes and models are."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from cluster import Cluster  # noqa: E402
from programs import BIN, Folder, wait_until  # noqa: E402
from promises import rows  # noqa: E402

FAULTS = BIN.parent / "plugins/faults"


def sleeping(number, node=True):
    """A prompt with a node of the plug-in, or without."""
    return {"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": number}},
            **({"2": {"class_type": "FaultSleep", "inputs": {"image": ["1", 0], "seconds": 0.05}}} if node else {}),
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2" if node else "1", 0], "filename_prefix": f"placed-{number}"}}}


def decoding(vae):
    return {"1": {"class_type": "VAELoader", "inputs": {"vae_name": vae}},
            "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
            "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["1", 0]}},
            "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "decoded"}}}


class Placement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        base = cls.enterClassContext(Folder())
        cls.cluster = cls.enterClassContext(Cluster(base, frontends=1, workers=0))
        cls.frontend, = cls.cluster.frontends
        models = base / "models-of-rich" / "vae"
        models.mkdir(parents=True)
        (models / "only-here.safetensors").write_bytes(b"no model")
        paths = base / "paths.yaml"
        paths.write_text(f"rich:\n  base_path: {models.parent}\n  vae: vae\n")
        cls.models = models
        cls.plain = cls.cluster.add_worker()
        cls.rich = cls.cluster.add_worker("--plugin-directory", FAULTS, "--extra-model-paths-config", paths)
        cls.plain.launch()
        cls.rich.launch()
        cls.cluster.wait_workers(2)
        wait_until(lambda: "only-here.safetensors" in cls.vaes(), 30, "the worker's model in the menus")

    @classmethod
    def vaes(cls):
        return str(cls.frontend.get("/object_info/VAELoader").json())

    def submit(self, name, prompt):
        answer = self.frontend.post("/prompt", {"prompt_id": name, "prompt": prompt})
        self.assertEqual(answer.status, 200, answer.body)

    def runners(self, name):
        """The processes that have run a prompt; an attempt that was taken back does not count."""
        return {self.cluster.pid_of(row[0]) for row in rows(self.frontend.store, f"SELECT worker FROM attempt WHERE counted AND prompt_id LIKE '{name}%'")}

    def test_prompts_with_the_nodes_of_a_plug_in_run_where_it_is(self):
        for i in range(12):
            self.submit(f"special-{i}", sleeping(i))
            self.submit(f"common-{i}", sleeping(1000 + i, node=False))
        for i in range(12):
            for kind in ("special", "common"):
                self.assertEqual(self.frontend.wait_record(f"{kind}-{i}")["status"]["status_str"], "success")
        self.assertEqual(self.runners("special"), {self.rich.pid})
        self.assertEqual(rows(self.frontend.store, "SELECT count(*) FROM attempt WHERE prompt_id LIKE 'special%'"), [(12,)])

    def test_prompts_with_a_model_run_where_it_is(self):
        self.submit("decode", decoding("only-here.safetensors"))
        # The file is no model, which its worker finds out.
        self.assertEqual(self.frontend.wait_record("decode")["status"]["status_str"], "error")
        self.assertEqual(self.runners("decode"), {self.rich.pid})
        answer = self.frontend.post("/prompt", {"prompt": decoding("nowhere.safetensors")})
        self.assertEqual(answer.status, 400)

    def test_a_prompt_that_nobody_can_run_waits_and_says_why(self):
        self.rich.kill()
        wait_until(lambda: self.frontend.metric("workers") == 1, 30, "the loss of a worker")
        self.submit("waiting", sleeping(5000))
        self.submit("passing", sleeping(5001, node=False))
        self.assertEqual(self.frontend.wait_record("passing")["status"]["status_str"], "success")
        job = self.frontend.get("/api/jobs/waiting").json()
        self.assertEqual((job["status"], job["reason"]), ("pending", "no capable worker"))
        self.assertIn('"FaultSleep"', job["reason_details"])
        self.assertEqual(self.frontend.metric("queue_unplaced"), 1)
        # What workers told is known to the next process too, before any of them speaks.
        self.frontend.kill()
        self.frontend.start()
        self.assertIn("FaultSleep", self.frontend.get("/object_info").json())
        self.submit("after-restart", sleeping(5002))
        self.rich.launch()
        self.assertEqual(self.frontend.wait_record("after-restart")["status"]["status_str"], "success")
        self.assertEqual(self.frontend.wait_record("waiting")["status"]["status_str"], "success")
        self.assertEqual(self.runners("waiting"), {self.rich.pid})
        self.cluster.wait_workers(2)

    def test_a_new_model_shows_and_one_that_goes_is_refused(self):
        new = self.models / "new.safetensors"
        new.write_bytes(b"no model")
        wait_until(lambda: "new.safetensors" in self.vaes(), 30, "the new model in the menus")
        new.unlink()
        wait_until(lambda: "new.safetensors" not in self.vaes(), 30, "its end")


if __name__ == "__main__":
    unittest.main()
