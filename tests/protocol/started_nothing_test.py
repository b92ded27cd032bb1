# SPDX-License-Identifier: GPL-3.0-or-later
"""No request and no node starts a program or loads a library: all of them under a trace of system calls.

    run.sh started_nothing_test.py [--requests 2000] [--seed N]
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import tempfile
import time
import urllib.error
import urllib.request

import node_prompts
import route_table
from product import Product

# What starts a program, what makes a process, and what loads a library. Memory without a file may become code: libtorch compiles its kernels.
CALLS = "execve,execveat,fork,vfork,clone,clone3,mmap"


def traces(folder):
    return sorted(folder.glob("trace.*"))


def offences(line):
    """What a traced call does that no request may cause; nothing for the rest."""
    if re.search(r"\b(execve|execveat)\(", line):
        return "starts a program"
    if re.search(r"\b(fork|vfork)\(", line) or ("clone" in line and "CLONE_THREAD" not in line and "resumed" not in line):
        return "makes a process"
    if "PROT_EXEC" in line and "MAP_ANONYMOUS" not in line:
        return "loads a library"
    return None


class Traced:
    """A server under strace, and what it and its worker did since `mark`."""

    def __init__(self, product, folder):
        self.product, self.folder, self.sizes = product, folder, {}

    def mark(self):
        self.sizes = {path: path.stat().st_size for path in traces(self.folder)}

    def since_mark(self):
        found = []
        for path in traces(self.folder):
            with open(path) as file:
                file.seek(self.sizes.get(path, 0))
                found += [(offence, line.strip()) for line in file if (offence := offences(line))]
        return found

    def send(self, method, target, headers=None, body=None):
        try:
            with urllib.request.urlopen(urllib.request.Request(self.product.url + target, data=body or None, headers=headers or {}, method=method), timeout=60) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def run(self, prompt):
        """How a prompt ends: "refused", "success" or "error"."""
        status, content = self.send("POST", "/prompt", {}, json.dumps({"prompt": prompt}).encode())
        if status != 200:
            assert status == 400, content
            return "refused"
        prompt_id = json.loads(content)["prompt_id"]
        end = time.monotonic() + 300
        while time.monotonic() < end:
            entry = json.loads(self.send("GET", f"/history/{prompt_id}")[1]).get(prompt_id)
            if entry:
                return entry["status"]["status_str"]
            time.sleep(0.02)
        raise AssertionError(f"{prompt} did not end")


def run_catalogue(traced):
    """How many classes of nodes ended in which way."""
    catalogue = json.loads(traced.send("GET", "/object_info")[1])
    assert len(catalogue) > 200, f"expected more than 200 classes, found {len(catalogue)}"
    ends = {}
    for name, entry in catalogue.items():
        end = traced.run(node_prompts.prompt_for(name, entry))
        ends.setdefault(end, []).append(name)
    return ends


def check_that_offences_show(traced):
    """The worker is killed: the server must start another one, and the trace must show it."""
    traced.mark()
    tasks = pathlib.Path(f"/proc/{traced.product.server()}/task").iterdir()
    for worker in {word for task in tasks for word in (task / "children").read_text().split()}:
        os.kill(int(worker), signal.SIGKILL)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if {"starts a program", "makes a process", "loads a library"} <= {offence for offence, _ in traced.since_mark()}:
            return
        time.sleep(0.1)
    raise AssertionError("the trace does not show that a worker was started")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    source = random.Random(options.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="comfyui-trace-"))
    strace = ["strace", "-ff", "-qq", "--seccomp-bpf", "-o", folder / "trace", "-e", f"trace={CALLS}"]
    try:
        with Product(under=strace) as product:
            traced = Traced(product, folder)
            # Whatever is loaded with the first computation belongs to the start.
            assert traced.run(node_prompts.prompt_for("KSampler", json.loads(traced.send("GET", "/object_info/KSampler")[1])["KSampler"])) == "success"
            traced.mark()
            table = route_table.rows()
            for row in table:
                traced.send(*route_table.random_request(source, "x", [row]))
            for _ in range(options.requests):
                traced.send(*route_table.random_request(source, "x", table))
            for route in ("/queue/resume", "/queue"):
                traced.send("POST", route, {}, b'{"clear": true}')
            ends = run_catalogue(traced)
            found = traced.since_mark()
            assert not found, f"{len(found)} offences: {found[:10]}"
            assert len(ends["success"]) > 150, f"too few classes ran: { {end: len(names) for end, names in ends.items()} } {ends}"
            check_that_offences_show(traced)
            print(f"{options.requests} requests over {len(table)} routes; classes of nodes: { {end: len(names) for end, names in ends.items()} }")
            print({end: names for end, names in ends.items() if end != "success"})
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
