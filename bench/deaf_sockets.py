#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sockets that never read cost: the time of a sampler's step without them and with 100, in turns; and memory for each.

usage: deaf_sockets.py [SOCKETS]
"""
import base64
import os
import socket
import sys
import time

from serving import Running, line

ROUNDS = 12
STEPS = 100


def deaf(port, name):
    """Opens a WebSocket and never reads from it again."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(f"GET /ws?clientId={name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    connection.recv(12)
    return connection


def prompt(seed, client):
    """A picture of the demonstration model. Without a client's id its progress goes to every socket."""
    def text(words):
        return {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": words}}
    return {**client, "prompt": {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "comfyui-demo.safetensors"}},
        "2": text("red apple"),
        "3": text(""),
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "seed": seed,
                                                   "steps": STEPS, "cfg": 5, "sampler_name": "euler", "scheduler": "normal", "denoise": 1}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}}}}


def run(server, seed, client={"client_id": "somebody-else"}):
    """Milliseconds for a step, in a prompt of many."""
    begin = time.perf_counter()
    prompt_id = server.fetch("/prompt", prompt(seed, client))["prompt_id"]
    while not (entry := server.fetch(f"/history/{prompt_id}")):
        time.sleep(0.005)
    took = time.perf_counter() - begin
    if entry[prompt_id]["status"]["status_str"] != "success":
        raise SystemExit(f"the prompt failed: {entry[prompt_id]['status']}")
    return took / STEPS * 1e3


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with Running() as server:
        server.ready()
        run(server, 1)
        quiet, crowded, told, grown, number = [], [], [], [], 1000
        for _ in range(ROUNDS):
            quiet.append(run(server, number))
            before = server.memory("Private")
            sockets = [deaf(server.port, f"deaf-{number}-{i}") for i in range(count)]
            crowded.append(run(server, number + 1))
            told.append(run(server, number + 2, client={}))
            grown.append((server.memory("Private") - before) / count)
            for connection in sockets:
                connection.close()
            number += 3

        def cost(values):
            return [(b / a - 1) * 100 for a, b in zip(quiet, values)]

        line("events", "step_without_deaf_sockets", quiet, "ms")
        line("events", f"cost_of_{count}_deaf_sockets", cost(crowded), "%")
        line("events", f"cost_of_{count}_deaf_sockets_that_are_told_every_step", cost(told), "%")
        line("events", "memory_of_a_deaf_socket", grown, "MB")


if __name__ == "__main__":
    main()
