# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations recorded from ComfyUI 0.3.64, repeated against the running product: same answers, events and pictures."""
import asyncio
import json
import pathlib
import shutil
import unittest
import urllib.request

from PIL import Image

import replay
from product import REFERENCE, Product

HERE = pathlib.Path(__file__).parent

# What this product means to do otherwise (docs/compatibility.md), as the beginnings of the differences.
MEANT = {
    # A prompt id that was used before is refused with 409 when the prompt is another one.
    "custom_prompt_id": ("step 1", "events of A", "order of events of A", "status of A", "history x prompt", "history y", "output files"),
    # A file that is there is never written over: %batch_num% in the prefix makes the original do that.
    "batch_save_prefix": ("events of A", "order of events of A", "history p1 outputs", "output files"),
}


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


class Traces(unittest.TestCase):
    def test_every_recorded_conversation_goes_as_it_went(self):
        with Product(["--disable-all-custom-nodes"], prepare) as product:
            with urllib.request.urlopen(product.url + "/object_info") as reply:
                classes = set(json.load(reply))
            replayed, left_out = [], []
            for name, (trace, case) in recordings().items():
                missing = replay.classes_of(case) - classes
                if missing:
                    left_out.append(f"{name} (needs {', '.join(sorted(missing))})")
                    continue
                with self.subTest(trace=name):
                    found = asyncio.run(replay.replay(product.url, trace, case))
                    found = [line for line in found if not line.startswith(MEANT.get(name, ()))]
                    self.assertEqual(found, [], "\n".join(["", *found]))
                replayed.append(name)
        print(f"{len(replayed)} traces replayed; left out, as their classes are not there: {'; '.join(left_out) or 'none'}")
        self.assertGreaterEqual(len(replayed), 5)


if __name__ == "__main__":
    unittest.main()
