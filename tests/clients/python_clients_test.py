# SPDX-License-Identifier: GPL-3.0-or-later
"""Client libraries from PyPI, unmodified, run workflows end to end."""
import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "../protocol"))

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from comfy_api_simplified.exceptions import ComfyApiError
from comfyui_utils.comfy import Callbacks, ComfyAPI
from product import Product

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "comfyui-distributed"
CHECKPOINT = CACHE / "models/tiny_sd15.safetensors"
PNG = b"\x89PNG\r\n\x1a\n"


def workflow(steps=3, seed=5, sampler="euler"):
    """The classic seven nodes at a small size."""
    def node(class_type, title, **inputs):
        return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}

    return {
        "3": node("KSampler", "Sampler", cfg=8, denoise=1, latent_image=["5", 0], model=["4", 0], negative=["7", 0],
                  positive=["6", 0], sampler_name=sampler, scheduler="normal", seed=seed, steps=steps),
        "4": node("CheckpointLoaderSimple", "Checkpoint", ckpt_name="tiny.safetensors"),
        "5": node("EmptyLatentImage", "Size", batch_size=1, height=64, width=64),
        "6": node("CLIPTextEncode", "Positive", clip=["4", 1], text="a house"),
        "7": node("CLIPTextEncode", "Negative", clip=["4", 1], text="bad"),
        "8": node("VAEDecode", "Decode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", "Save Image", filename_prefix="client", images=["8", 0]),
    }


def prepare(base):
    if not CHECKPOINT.exists():
        subprocess.run([sys.executable, HERE / "../models/make_tiny_sd15.py", CHECKPOINT], check=True)
    (base / "models/checkpoints").mkdir(parents=True)
    shutil.copy(CHECKPOINT, base / "models/checkpoints/tiny.safetensors")


class Told(Callbacks):
    """Everything that comfyui-utils reports."""

    def __init__(self):
        self.positions, self.progress, self.outputs = [], [], None

    async def queue_position(self, position):
        self.positions.append(position)

    async def in_progress(self, node_id, progress, total):
        self.progress.append((node_id, progress, total))

    async def completed(self, outputs, cached):
        self.outputs = outputs


class PythonClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.product = Product(prepare=prepare).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.product.__exit__()

    def test_comfy_api_simplified_gets_its_pictures_again_and_again(self):
        api = ComfyApiWrapper(self.product.url + "/")
        graph = ComfyWorkflowWrapper(workflow(seed=10))
        graph.set_node_param("Positive", "text", "a boat")
        for _ in range(2):  # the second run is cached as a whole
            images = api.queue_and_wait_images(graph, "Save Image")
            self.assertEqual(len(images), 1)
            self.assertTrue(next(iter(images.values())).startswith(PNG))
        self.assertIn("KSampler", api.get_object_info("KSampler"))
        self.assertEqual(api.get_embeddings(), [])
        self.assertGreater(api.get_system_stats()["system"]["ram_total"], 0)
        self.assertEqual(api.get_queue(), {"queue_running": [], "queue_pending": []})

    def test_comfy_api_simplified_is_told_of_a_bad_value(self):
        api = ComfyApiWrapper(self.product.url + "/")
        with self.assertRaises(ComfyApiError):
            api.queue_prompt(workflow(sampler="none_such"))

    def test_comfy_api_simplified_uploads_and_interrupts(self):
        api = ComfyApiWrapper(self.product.url + "/")
        picture = self.product.base / "up.png"
        picture.write_bytes(PNG)
        self.assertEqual(api.upload_image(picture), {"name": "up.png", "subfolder": "default_upload_folder", "type": "input"})
        prompt_id = api.queue_prompt(workflow(seed=11, steps=2000))["prompt_id"]
        end = time.monotonic() + 30
        while not api.get_queue()["queue_running"] and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(api.get_queue_size_before(prompt_id), 0)
        api.interrupt()
        while prompt_id not in api.get_history(prompt_id) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(api.get_history(prompt_id)[prompt_id]["status"]["messages"][-1][0], "execution_interrupted")

    def test_comfyui_utils_follows_progress_and_fetches_the_picture(self):
        api = ComfyAPI(self.product.url.removeprefix("http://"))
        fetched = []

        async def keep(file):
            fetched.append(file.read())

        async def run():
            for _ in range(2):
                told = Told()
                await api.submit(workflow(seed=12), told)
                self.assertTrue(told.outputs)
                await api.fetch(told.outputs["images"][0], keep)
            return told

        asyncio.run(asyncio.wait_for(run(), 60))
        self.assertTrue(all(bytes_.startswith(PNG) for bytes_ in fetched))
        with self.assertRaisesRegex(ValueError, "Value not in list"):
            asyncio.run(api.submit(workflow(sampler="none_such"), Told()))

    def test_comfyui_utils_shows_the_steps_of_the_sampler(self):
        api = ComfyAPI(self.product.url.removeprefix("http://"))
        told = Told()
        thread = threading.Thread(target=lambda: asyncio.run(api.submit(workflow(seed=13, steps=12), told)))
        thread.start()
        thread.join(60)
        self.assertIsNotNone(told.outputs)
        self.assertIn((3, 12, 12), told.progress)


if __name__ == "__main__":
    unittest.main()
