# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations recorded from ComfyUI 0.3.64, repeated against the running product: same answers, events and pictures."""
import asyncio
import json
import pathlib
import shutil
import time
import unittest
import urllib.request

from PIL import Image

import replay
from product import PROGRAMS, REFERENCE, Product

HERE = pathlib.Path(__file__).parent
PLUGINS = PROGRAMS / "../plugins/testing-pack"

# What this product means to do otherwise (docs/compatibility.md), as the beginnings of the differences.
MEANT = {
    # A prompt id that was used before is refused with 409 when the prompt is another one.
    "custom_prompt_id": ("step 1", "events of A", "order of events of A", "status of A", "history x prompt", "history y", "output files"),
    # A file that is there is never written over: %batch_num% in the prefix makes the original do that.
    "batch_save_prefix": ("events of A", "order of events of A", "history p1 outputs", "output files"),
    # The original stores a success after the error that it has sent.
    "dynamic_cycle": ("history p0 status",),
    # The original asks for lazy inputs in the arbitrary order of a set.
    "lazy_both_sides": ("events of A", "order of events of A"),
    # /queue in the order in which the prompts will run, not in that of a heap; which node an interrupt hits is a matter of time.
    "queue_operations": ("step 5 answer", "events of A", "order of events of A", "last progress_state of A", "history s2 status"),
    # How far the first connection saw the run is a matter of time.
    "reconnect_same_sid": ("last progress_state of A",),
}
# Traces of nodes that sleep: how often they report, and who comes first, is a matter of time.
TIMED = {"async_parallel", "parallel_sleep_expand"}


def recordings():
    """The whole recording where it is at hand, else the part that is kept here."""
    if (REFERENCE / "traces").is_dir():
        return replay.load(REFERENCE / "traces", REFERENCE / "tools/traces.json")
    return replay.load(HERE / "../recorded/traces")


def prepare(base):
    """The files that were there while the original was recorded."""
    source = REFERENCE / "fixtures" if (REFERENCE / "fixtures").is_dir() else None
    for folder in ("input", "models"):
        (base / folder).mkdir()
        if source:
            shutil.copytree(source / folder, base / folder, dirs_exist_ok=True)
    for path in base.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    Image.new("RGB", (768, 768), (90, 120, 150)).save(base / "input/example.png")


def classes_of(product):
    """All node classes, once the worker has told those of the testing pack."""
    end = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(product.url + "/object_info") as reply:
            classes = set(json.load(reply))
        if "StubImage" in classes:
            return classes
        if time.monotonic() > end:
            raise RuntimeError("the testing pack did not load:\n" + product.said())
        time.sleep(0.1)


class Traces(unittest.TestCase):
    def test_every_recorded_conversation_goes_as_it_went(self):
        with Product(["--plugin-directory", PLUGINS], prepare) as product:
            classes = classes_of(product)
            replayed, left_out = [], []
            for name, (trace, case) in recordings().items():
                missing = replay.classes_of(case) - classes
                if missing:
                    left_out.append(f"{name} (needs {', '.join(sorted(missing))})")
                    continue
                with self.subTest(trace=name):
                    found = asyncio.run(replay.replay(product.url, trace, case, replay.Timing.free if name in TIMED else replay.Timing.kept))
                    found = [line for line in found if not line.startswith(MEANT.get(name, ()))]
                    self.assertEqual(found, [], "\n".join(["", *found]))
                replayed.append(name)
        print(f"{len(replayed)} traces replayed; left out, as their classes are not there: {'; '.join(left_out) or 'none'}")
        self.assertGreaterEqual(len(replayed), 5)


if __name__ == "__main__":
    unittest.main()
