#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long POST /prompt takes, durable write included: a graph of 50 nodes, at a fixed rate (open loop: a request's time
counts from when it was due, so a slow server cannot hide its queue).

usage: prompt_accept.py [--bin FOLDER] [--rate PER_SECOND] [--count N]
"""
import argparse
import asyncio
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

from start import free_port, wait


def graph(number):
    """A chain of 48 inverted pictures that ends in a preview; different each time, so nothing is a repetition."""
    nodes = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": number}}}
    for i in range(2, 50):
        nodes[str(i)] = {"class_type": "ImageInvert", "inputs": {"image": [str(i - 1), 0]}}
    nodes["50"] = {"class_type": "PreviewImage", "inputs": {"images": ["49", 0]}}
    return json.dumps({"prompt": nodes}).encode()


async def post(port, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(answer[:500].decode())


async def load(port, rate, count):
    times = []

    async def one(due, body):
        await asyncio.sleep(due - time.perf_counter())
        await post(port, body)
        times.append(time.perf_counter() - due)

    bodies = [graph(i) for i in range(count)]
    begin = time.perf_counter() + 0.2
    await asyncio.gather(*(one(begin + i / rate, body) for i, body in enumerate(bodies)))
    return sorted(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(__file__).parent.parent / "build/default/bin")
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    base, port = tempfile.mkdtemp(), free_port()
    server = subprocess.Popen([options.bin / "comfyui", "--cwd", base, "--port", str(port), "--start-paused"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/object_info").status)
        times = asyncio.run(load(port, options.rate, options.count))
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(base)
    print(json.dumps({"bench": "prompt_accept", "case": f"50_nodes_{options.rate:g}_per_s", "value": statistics.median(times) * 1e3,
                      "unit": "ms", "n": len(times), "median": statistics.median(times) * 1e3, "min": times[0] * 1e3,
                      "p99": times[int(len(times) * 0.99)] * 1e3, "max": times[-1] * 1e3, "baseline": None, "ratio": None,
                      "threads": os.cpu_count()}))


if __name__ == "__main__":
    main()
