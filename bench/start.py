#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How soon the server is there: seconds from its start to the first answer, and to the first finished prompt.

usage: start.py [--bin FOLDER] [--samples N]
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=5) as reply:
        return json.loads(reply.read() or b"null")


def wait(check, seconds=30):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        try:
            if (value := check()) is not None:
                return value
        except OSError:
            pass
        time.sleep(0.002)
    raise SystemExit("the server did not answer")


PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
          "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}


def private_megabytes(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) / 1024


def sample(binary):
    base, port = tempfile.mkdtemp(), free_port()
    url = f"http://127.0.0.1:{port}"
    begin = time.perf_counter()
    server = subprocess.Popen([binary / "comfyui", "--cwd", base, "--port", str(port)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        wait(lambda: fetch(url + "/system_stats"))
        answered = time.perf_counter() - begin
        prompt_id = wait(lambda: fetch(url + "/prompt", {"prompt": PROMPT}))["prompt_id"]
        wait(lambda: fetch(f"{url}/history/{prompt_id}") or None)
        return answered, time.perf_counter() - begin, private_megabytes(server.pid)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(base)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "build/default/bin")
    parser.add_argument("--samples", type=int, default=7)
    options = parser.parse_args()
    figures = list(zip(*(sample(options.bin) for _ in range(options.samples))))
    for name, unit, values in zip(("first_answer", "first_prompt", "private_memory"), ("s", "s", "MB"), figures):
        middle = statistics.median(values)
        print(json.dumps({"bench": "start", "case": name, "value": middle, "unit": unit, "n": len(values), "median": middle,
                          "min": min(values), "max": max(values), "baseline": None, "ratio": None, "threads": os.cpu_count()}))


if __name__ == "__main__":
    main()
