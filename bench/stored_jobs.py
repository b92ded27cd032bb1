#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long history, jobs and the queue take to read when many jobs are stored, and what the rest of the server notices of it.

usage: stored_jobs.py [STORED]  (default 100000; and 10000 that wait)
"""
import sqlite3
import sys
import tempfile
import threading
import time
import shutil

from serving import Running, line, say

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
          **{str(i): {"class_type": "ImageInvert", "inputs": {"image": [str(i - 1), 0]}} for i in range(2, 20)},
          "20": {"class_type": "PreviewImage", "inputs": {"images": ["19", 0]}}}
PENDING = 10_000


def copy_rows(file, state, count):
    """Makes more jobs like the one of that state, straight in the store."""
    store = sqlite3.connect(file)
    store.row_factory = sqlite3.Row
    row = dict(store.execute("SELECT * FROM job WHERE state = ? LIMIT 1", (state,)).fetchone())
    names = [name for name in row if name != "sequence"]
    insert = f"INSERT INTO job ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    first = store.execute("SELECT max(sequence) FROM job").fetchone()[0]
    last = store.execute("SELECT coalesce(max(finish_order), 0) FROM job").fetchone()[0]

    def rows():
        for i in range(1, count):
            copied = dict(row, prompt_id=f"00000000-0000-4000-8000-{first + i:012}", created=row["created"] + i, number=first + i, number_text=str(first + i))
            if row["finish_order"] is not None:
                copied["finish_order"] = last + i
            yield [copied[name] for name in names]

    with store:
        store.executemany(insert, rows())
        store.execute("UPDATE setting SET value = ? WHERE name = 'next_finish'", (str(last + count + 1),))
    store.close()


def read_all(server, bench, case):
    for path, name in (("/history/00000000-0000-4000-8000-000000000500", "one_history"), ("/api/jobs/00000000-0000-4000-8000-000000000500", "one_job"),
                       ("/api/jobs?limit=200", "jobs_200"), ("/api/jobs?status=completed,failed,cancelled&limit=64&offset=0", "jobs_of_the_editor"),
                       ("/api/jobs?limit=200&offset=50000", "jobs_200_far"), ("/history?max_items=200", "history_200"), ("/prompt", "remaining")):
        found, size = server.times(path, 20)
        line(bench, f"{case}_{name}", found, "ms", bytes=size)


def whole(server, path, bench, case):
    """A long answer: its first byte, its end, memory at its height, and what others wait meanwhile."""
    line(bench, f"{case}_first_byte", server.first_bytes(path, 3), "ms")
    before, others, height, done = server.memory(), [], [], threading.Event()

    def ask():
        while not done.is_set():
            others.extend(server.times("/prompt", 1)[0])
            height.append(server.memory())
            time.sleep(0.01)

    beside = threading.Thread(target=ask)
    beside.start()
    found, size = server.times(path, 3)
    done.set()
    beside.join()
    line(bench, f"{case}_whole", found, "ms", bytes=size, grown_mb=round(max(height) - before, 1))
    line(bench, f"{case}_others_meanwhile", others, "ms")


def main():
    stored = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    base = tempfile.mkdtemp()
    options = ["--history-max-jobs", str(stored * 2), "--history-max-bytes", str(1 << 40), "--max-queue-size", "100000"]
    try:
        with Running(*options, base=base) as server:
            prompt_id = server.fetch("/prompt", {"prompt": PROMPT, "prompt_id": "first"})["prompt_id"]
            while not server.fetch(f"/history/{prompt_id}"):
                time.sleep(0.05)
        file = f"{base}/user/comfyui-jobs.db"
        begin = time.perf_counter()
        copy_rows(file, "succeeded", stored)
        say(f"{stored} jobs written in {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        with Running("--workers", "0", *options, base=base) as server:
            line("history", f"{stored}_stored_start", [(time.perf_counter() - begin) * 1e3], "ms")
            read_all(server, "history", f"{stored}_stored")
            whole(server, "/history", "history", f"{stored}_stored")
            server.fetch("/prompt", {"prompt": PROMPT, "prompt_id": "waits"})
        copy_rows(file, "queued", PENDING)
        with Running("--workers", "0", *options, base=base) as server:
            assert server.fetch("/prompt")["exec_info"]["queue_remaining"] == PENDING
            whole(server, "/queue", "queue", f"{PENDING}_pending")
            found, _ = server.times("/api/jobs?status=in_progress,pending&limit=200&offset=0", 20)
            line("jobs", f"{PENDING}_pending_of_the_editor", found, "ms")
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
