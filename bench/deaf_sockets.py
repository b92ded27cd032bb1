#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sockets that never read cost: prompts per second without them and with 100, in turns; and memory for each.

usage: deaf_sockets.py [SOCKETS]
"""
import base64
import os
import socket
import sys
import time

from serving import Running, line

ROUNDS = 6
PROMPTS = 40


def deaf(port, name):
    """Opens a WebSocket and never reads from it again."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(f"GET /ws?clientId={name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    connection.recv(12)
    return connection


def prompt(number):
    """No client id: progress goes to every socket."""
    nodes = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": number}}}
    for i in range(2, 50):
        nodes[str(i)] = {"class_type": "ImageInvert", "inputs": {"image": [str(i - 1), 0]}}
    nodes["50"] = {"class_type": "PreviewImage", "inputs": {"images": ["49", 0]}}
    return {"prompt": nodes}


def run(server, first):
    """Seconds that some prompts take, one after the other."""
    begin = time.perf_counter()
    for number in range(first, first + PROMPTS):
        prompt_id = server.fetch("/prompt", prompt(number))["prompt_id"]
        while not server.fetch(f"/history/{prompt_id}"):
            time.sleep(0.001)
    return (time.perf_counter() - begin) / PROMPTS * 1e3


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with Running() as server:
        server.ready()
        run(server, 1)
        quiet, crowded, grown, number = [], [], [], 1000
        for _ in range(ROUNDS):
            quiet.append(run(server, number))
            before = server.memory("Private")
            sockets = [deaf(server.port, f"deaf-{number}-{i}") for i in range(count)]
            crowded.append(run(server, number + PROMPTS))
            grown.append((server.memory("Private") - before) / count)
            for connection in sockets:
                connection.close()
            number += 2 * PROMPTS
        line("events", "prompt_without_deaf_sockets", quiet, "ms")
        line("events", f"prompt_with_{count}_deaf_sockets", crowded, "ms")
        line("events", f"cost_of_{count}_deaf_sockets", [(b / a - 1) * 100 for a, b in zip(quiet, crowded)], "%")
        line("events", "memory_of_a_deaf_socket", grown, "MB")


if __name__ == "__main__":
    main()
