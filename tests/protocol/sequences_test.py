# SPDX-License-Identifier: GPL-3.0-or-later
"""Two users send random requests to every route: nothing is answered by 500, the server stays, and neither ever sees what is the other's.

    run.sh sequences_test.py [--sequences 500] [--seed N]
"""
import argparse
import collections
import hashlib
import http.client
import json
import pathlib
import random
import tempfile
import threading
import time
import zlib

import websockets.sync.client

import route_table
from product import Product

STEPS = 20
# Busy or full is an answer; anything else from 500 on is a mistake of the server.
BUSY = {503, 507}


class User:
    """Somebody with a key, what he writes everywhere, and what his socket has heard."""

    def __init__(self, name, product):
        self.name, self.key = name, f"{name}-key"
        self.canary = f"canary-{name}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        self.address = product.url.removeprefix("http://")
        self.connection = None
        self.heard = []
        self.saw_own = 0

    def listen(self):
        # Both have chosen the same id for their tab.
        self.socket = websockets.sync.client.connect(f"ws://{self.address}/ws?clientId=tab", additional_headers={"Authorization": f"Bearer {self.key}"}, max_size=None)
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        try:
            for message in self.socket:
                self.heard.append(message if isinstance(message, bytes) else message.encode())
        except websockets.ConnectionClosed:
            pass

    def send(self, method, target, headers=None, body=b"", with_key=True):
        """Status and body, unpacked."""
        headers = dict(headers or {})
        if with_key:
            headers["Authorization"] = f"Bearer {self.key}"
        for attempt in range(2):
            self.connection = self.connection or http.client.HTTPConnection(self.address, timeout=30)
            try:
                self.connection.request(method, target, body=body, headers=headers)
                reply = self.connection.getresponse()
                content = reply.read()
                break
            except (OSError, http.client.HTTPException):
                # The server may close a connection that stood idle; a second refusal is none of that.
                self.connection.close()
                self.connection = None
                if attempt:
                    raise
        return reply.status, zlib.decompress(content, 31) if reply.headers.get("Content-Encoding") == "gzip" else content


def check_reply(user, other, request, status, content):
    shown = f"{user.name}: {request[0]} {request[1][:200]} {request[3][:300]!r}"
    assert status < 500 or status in BUSY, f"{shown} -> {status} {content[:500]!r}"
    at = content.find(other.canary.encode())
    assert at < 0, f"{shown} -> {status} shows what is {other.name}'s: {content[max(0, at - 100) : at + 60]!r}"


def run_sequence(source, users, table, statuses):
    for _ in range(STEPS):
        user, other = source.sample(users, 2)
        request = route_table.random_request(source, user.canary, table)
        with_key = source.random() < 0.95
        status, content = user.send(*request, with_key=with_key)
        if not with_key:
            assert status in (401, 403, 404, 421) or "/healthz" in request[1], f"{request[:2]} without a key -> {status}"
        check_reply(user, other, request, status, content)
        route_table.learn(content)
        user.saw_own += user.canary.encode() in content
        statuses[status] += 1


def still_works(user):
    """The next prompt runs."""
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 99}},
              "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    user.send("POST", "/queue", {}, b'{"clear": true}')
    prompt_id = json.loads(user.send("POST", "/prompt", {}, json.dumps({"prompt": prompt}).encode())[1])["prompt_id"]
    end = time.monotonic() + 120
    while time.monotonic() < end:
        entry = json.loads(user.send("GET", f"/history/{prompt_id}")[1]).get(prompt_id)
        if entry:
            assert entry["status"]["status_str"] == "success", entry["status"]
            return
        time.sleep(0.05)
    raise AssertionError("the next prompt did not end in 120 s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sequences", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    source = random.Random(options.seed)
    keys = pathlib.Path(tempfile.mkdtemp(prefix="comfyui-keys-")) / "keys"
    keys.write_text("".join(f"{name}:submit:{hashlib.sha256(f'{name}-key'.encode()).hexdigest()}\n" for name in ("ann", "bob")))
    table = route_table.rows()
    statuses = collections.Counter()
    with Product(["--multi-user", "--api-key-file", keys], health="/healthz") as product:
        users = [User(name, product) for name in ("ann", "bob")]
        for user in users:
            user.listen()
        for number in range(options.sequences):
            run_sequence(source, users, table, statuses)
            assert product.process.poll() is None, f"the server ended in sequence {number}:\n{product.said()[-3000:]}"
        for user, other in (users, users[::-1]):
            still_works(user)
            assert user.heard, f"{user.name} hears nothing"
            for message in user.heard:
                assert other.canary.encode() not in message, f"{user.name} hears what is {other.name}'s: {message[:300]!r}"
            assert user.saw_own > options.sequences // 12, f"{user.name} saw little of what is his own: the requests ask for too little"
        assert "a handler ended with" not in product.said()
    keys.unlink()
    keys.parent.rmdir()
    print(f"{options.sequences} sequences of {STEPS} requests over {len(table)} routes; answers: {dict(sorted(statuses.items()))}; own things seen: {[user.saw_own for user in users]}")


if __name__ == "__main__":
    main()
