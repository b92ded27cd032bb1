# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are full: F12."""

import contextlib
import os
import subprocess
import sys
import time

from programs import Folder, Frontend, wait_until
from promises import Journal, Verdict, graph, guard

SIZE = 40 << 20


@contextlib.contextmanager
def small_disk(path):
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path, leave=0):
    """Takes what is free on the disk of `path`, but for `leave` bytes."""
    file = path / "filler"
    with open(file, "wb") as out:
        free = os.statvfs(path).f_bavail * os.statvfs(path).f_frsize - leave
        with contextlib.suppress(OSError):
            while free > 0:
                free -= out.write(bytes(min(free, 1 << 16)))
                out.flush()
        with contextlib.suppress(OSError):
            while leave == 0:
                os.write(out.fileno(), b"x")
    return file


def store_full(run, base):
    """Accepting answers 507, what runs ends, and all is well when space returns."""
    with small_disk(base / "user"):
        frontend = Frontend(base).start()
        guard(frontend.store)
        journal = Journal(base / "journal")

        def submit(name, number, side=64):
            journal.write("submit", name)
            answer = frontend.post("/prompt", {"prompt_id": name, "prompt": graph(name, number, side)})
            if answer.status == 200:
                journal.write("accepted", name)
            return answer

        assert (base / "user/comfyui-jobs.db.reserve").stat().st_size == 32 << 20, "expected a reserve of 32 MiB"
        for i in range(6):  # slow ones, which run while the disk is full
            assert submit(f"early-{i}", i, 1500).status == 200
        filler = fill(base / "user")
        refused, started = 0, time.monotonic()
        while refused < 3:
            answer = submit(f"late-{refused}", 100 + refused)
            assert answer.status in (200, 507), answer.body
            if answer.status == 507:
                assert answer.json()["error"]["type"] == "disk_full", answer.body
            refused += answer.status == 507
            assert time.monotonic() < started + 20, "expected 507 from a full disk"
        for i in range(6):
            frontend.wait_record(f"early-{i}")
        assert submit("full-0", 300).status == 507, "the space was not given back"
        filler.unlink()
        wait_until(lambda: submit("freed-0", 400).status == 200, 20, lambda: f"acceptance after space returned\n{frontend.tail()}")
        frontend.wait_record("freed-0")
        wait_until(frontend.idle, 20, "an empty queue")
        frontend.stop()
        verdict = Verdict(base / "journal", [frontend.store], frontend.output).check()
        return verdict.figures()


def folder_full(run, base, folder, node):
    """The prompt that needs the space fails and says why; the next one after space returned succeeds."""
    with small_disk(base / folder):
        frontend = Frontend(base).start()
        filler = fill(base / folder)

        def outcome(name, number):
            prompt = graph(name, number, 512)
            prompt["4"]["class_type"] = node
            if node == "PreviewImage":
                del prompt["4"]["inputs"]["filename_prefix"]
            assert frontend.post("/prompt", {"prompt_id": name, "prompt": prompt}).status == 200
            return frontend.wait_record(name)

        record = outcome("full", 1)
        assert record["status"]["status_str"] == "error", record["status"]
        error = next(data for kind, data in record["status"]["messages"] if kind == "execution_error")
        assert error["node_id"] == "4" and "space" in error["exception_message"].lower(), error
        left = [path for path in (base / folder).rglob("*") if path.is_file() and path != filler and path.stat().st_size and
                path.suffix != ".jsonl"]
        assert not left, f"expected nothing half written, found {left}"
        filler.unlink()
        assert outcome("freed", 2)["status"]["status_str"] == "success"
        frontend.stop()


def disk_full(run):
    """F12: the disk of the store, of the results, of the previews."""
    if os.geteuid() != 0 and not os.environ.get("COMFY_FAULTS_MOUNTS"):
        # Mounting needs a name space of our own.
        words = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, os.path.abspath(sys.argv[0]), "F12"]
        done = subprocess.run(words, env={**os.environ, "COMFY_FAULTS_MOUNTS": "1"}, stdout=subprocess.DEVNULL)
        assert done.returncode == 0, "F12 in a name space of its own ended badly"
        return {}
    figures = {}
    for _ in range(run.size(1, 3)):
        with Folder() as base:
            figures = store_full(run, base)
        with Folder() as base:
            folder_full(run, base, "output", "SaveImage")
        with Folder() as base:
            folder_full(run, base, "temp", "PreviewImage")
    return {"disks": 3, **figures}
