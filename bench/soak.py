#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and descriptors of server and worker over many prompts: the slope after the first thousand, per thousand prompts.

The first thousand fill SQLite's page cache: 2 MB that the server takes once.

usage: soak.py [PROMPTS]
"""
import os
import pathlib
import sys
import time

from serving import Running, line

WARM = 1_000


def prompt(number):
    return {"prompt": {"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": number}},
                       "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
                       "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}, "client_id": f"client-{number}"}


def worker_of(server):
    children = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    others = [child for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return int((children + others)[0])


def resident(process):
    rollup = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(next(row for row in rollup.splitlines() if row.startswith("Rss")).split()[1]) / 1024


def slope(samples):
    """Least squares through (prompts, value), per thousand prompts."""
    middle_x = sum(x for x, _ in samples) / len(samples)
    middle_y = sum(y for _, y in samples) / len(samples)
    return 1000 * sum((x - middle_x) * (y - middle_y) for x, y in samples) / sum((x - middle_x) ** 2 for x, _ in samples)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with Running() as server:
        server.ready()
        worker = worker_of(server)
        seen = {"server_mb": [], "worker_mb": [], "server_files": [], "worker_files": []}
        for number in range(1, count + 1):
            prompt_id = server.fetch("/prompt", prompt(number))["prompt_id"]
            while not server.fetch(f"/history/{prompt_id}"):
                time.sleep(0.002)
            if number < WARM or number % 20:
                continue
            seen["server_mb"].append((number, server.memory()))
            seen["worker_mb"].append((number, resident(worker)))
            seen["server_files"].append((number, server.descriptors()))
            seen["worker_files"].append((number, len(os.listdir(f"/proc/{worker}/fd"))))
        for name, samples in seen.items():
            line("soak", f"{name}_per_1000_prompts", [slope(samples)], name.split("_")[1], first=samples[0][1], last=samples[-1][1])


if __name__ == "__main__":
    main()
