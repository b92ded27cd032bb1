# SPDX-License-Identifier: GPL-3.0-or-later
"""An input twice as long costs twice the work: counted in instructions, for each reader of foreign bytes.

Valgrind counts them, so that the figures are the same on every machine and under every load.
"""
import concurrent.futures
import json
import os
import pathlib
import pickle
import re
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(os.environ.get("COMFY_BIN", ROOT / "build/default/bin"))
# How much more the second doubling may cost than the first: 2 is linear, 4 quadratic; tables that grow by steps lie between.
MOST = 3.0


def safetensors(count):
    header = {f"layer.{number}.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4 * number, 4 * number + 4]} for number in range(count)}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * count)


def png(chunks):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + b"".join(chunk(*one) for one in chunks) + \
        chunk(b"IDAT", zlib.compress(b"\0\0\0\0")) + chunk(b"IEND", b"")


def torch_stream(body):
    """The form of torch.save before 1.6, with nothing in it but `body`."""
    return b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, body, []))


def chain(count):
    nodes = {"0": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}}}
    nodes |= {str(number): {"class_type": "ImageInvert", "inputs": {"image": [str(number - 1), 0]}} for number in range(1, count)}
    return nodes | {"end": {"class_type": "PreviewImage", "inputs": {"images": [str(count - 1), 0]}}}


def prompt(nodes):
    return json.dumps({"prompt": nodes}).encode()


# Reader, what grows, its first size, and how an input of some size is made.
CASES = [
    ("json", "numbers", 2000, lambda n: json.dumps([x * 1.1 for x in range(n)]).encode()),
    ("json", "members", 2000, lambda n: json.dumps({f"name {x}": x for x in range(n)}).encode()),
    ("json", "a text", 40_000, lambda n: json.dumps("\u00e4" * n).encode()),
    ("json", "digits", 40_000, lambda n: b"1" * n),
    ("json", "open brackets", 40_000, lambda n: b"[" * n),
    ("prompt", "a chain", 200, lambda n: prompt(chain(n))),
    ("prompt", "unknown classes", 500, lambda n: prompt({str(x): {"class_type": "Nothing", "inputs": {}} for x in range(n)})),
    ("prompt", "wires to one node", 200, lambda n: prompt(chain(1) | {f"s{x}": {"class_type": "PreviewImage", "inputs": {"images": ["0", 0]}} for x in range(n)})),
    ("prompt", "wrong values", 300, lambda n: prompt({str(x): {"class_type": "EmptyImage", "inputs": {"width": -1, "height": "x"}} for x in range(n)} |
                                                     {f"s{x}": {"class_type": "PreviewImage", "inputs": {"images": [str(x), 0]}} for x in range(n)})),
    ("prompt", "targets", 500, lambda n: json.dumps({"prompt": chain(1) | {f"s{x}": {"class_type": "PreviewImage", "inputs": {"images": ["0", 0]}} for x in range(n)},
                                                     "partial_execution_targets": [f"s{x}" for x in range(n)][::-1]}).encode()),
    ("prompt", "a cycle", 200, lambda n: prompt(chain(n) | {"0": {"class_type": "ImageInvert", "inputs": {"image": [str(n - 1), 0]}}})),
    ("multipart", "what is almost a boundary", 4000, lambda n: b"multipart/form-data; boundary=bbbb\n--bbbb\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + b"\r\n--bbb" * n + b"\r\n--bbbb--\r\n"),
    ("multipart", "bytes of a file", 200_000, lambda n: b"multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"x\"\r\n\r\n" + b"x" * n + b"\r\n--b--\r\n"),
    ("multipart", "empty parts", 2000, lambda n: b"multipart/form-data; boundary=b\n" + b"--b\r\n\r\n\r\n" * n + b"--b--\r\n"),
    ("safetensors", "tensors", 500, safetensors),
    ("safetensors", "metadata", 1000, lambda n: (lambda text: struct.pack("<Q", len(text)) + text)(json.dumps({"__metadata__": {f"k{x}": "v" for x in range(n)}}).encode())),
    ("model_file", "numbers in a pickle", 5000, lambda n: torch_stream({"a": list(range(n))})),
    ("model_file", "dictionaries in a pickle", 1000, lambda n: torch_stream({f"k{x}": {"a": x} for x in range(n)})),
    ("model_file", "one list named often", 1000, lambda n: torch_stream((lambda one: {f"k{x}": one for x in range(n)})([1]))),
    ("model_file", "marks", 20_000, lambda n: b"\x80\x02" + b"(" * n),
    ("png_text", "chunks", 500, lambda n: png([(b"tEXt", b"k%d\0value" % x) for x in range(n)])),
    ("png_text", "a packed text", 8000, lambda n: png([(b"zTXt", b"k\0\0" + zlib.compress(os.urandom(n // 2).hex().encode()))])),
    ("catalogue", "classes", 100, lambda n: json.dumps({"version": 1, "nodes": [{"id": f"N{x}", "inputs": [], "outputs": []} for x in range(n)]}).encode()),
    ("config", "lines", 500, lambda n: "".join(f"key{x} = value\n" for x in range(n)).encode()),
    ("key_file", "keys", 200, lambda n: "".join(f"n{x}:read:{x:064x}\n" for x in range(n)).encode()),
    ("tokens", "words", 500, lambda n: b"abc ab " * n),
    ("tokens", "one word", 2000, lambda n: b"abcab" * n),
    ("tokens", "accents on a letter", 500, lambda n: ("a" + "\u0301\u0327" * n).encode()),
    ("http_head", "fields", 20, lambda n: b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * n + b"\r\n"),
    ("path", "parts", 50, lambda n: b"/".join([b"a"] * n)),
]


def instructions(program, reader, content):
    """How many instructions one reading takes, with those of the start."""
    ended = subprocess.run(["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, reader], cwd=ROOT,
                           input=struct.pack("<Q", len(content)) + content, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-2000:]
    return int(re.search(rb"I\s+refs:\s+([\d,]+)", ended.stderr)[1].replace(b",", b""))


def measure(program, case):
    reader, what, size, make = case
    first, second, third = (instructions(program, reader, make(size * times)) for times in (1, 2, 4))
    return reader, what, second - first, third - second


def main():
    wanted = sys.argv[1:]
    cases = [case for case in CASES if not wanted or case[0] in wanted]
    failed = []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        program = pathlib.Path(folder) / "read_many"
        # Valgrind reads what a debugger would, which takes longer than the counting.
        subprocess.run(["strip", "-o", program, PROGRAMS / "read_many"], check=True)
        for reader, what, once, twice in pool.map(lambda case: measure(program, case), cases):
            ratio = twice / once if once > 0 else float("inf")
            print(f"{reader:12} {what:28} {once:>12,} {twice:>12,} {ratio:5.2f}", flush=True)
            # What is refused at its front costs nothing more however long it is.
            if ratio > MOST and twice > 10_000:
                failed.append(f"{reader}: {what}")
    assert not failed, f"more than linear: {failed}"


if __name__ == "__main__":
    main()
