# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the Python library "safetensors" refuses, this program refuses: 10,000 files, each changed a little from a good one.

    run.sh safetensors_differential.py [--files 10000] [--seed N]
"""
import argparse
import collections
import json
import os
import pathlib
import random
import struct
import subprocess

import safetensors

PROGRAMS = pathlib.Path(os.environ.get("COMFY_BIN", pathlib.Path(__file__).resolve().parents[2] / "build/default/bin"))
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}
NUMBERS = [0, 1, 2, 3, 4, 7, 8, 16, -1, 1.0, 1.5, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, "1", None, True, [], {}]


def file_of(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def good_header(source):
    """A header and the number of bytes behind it."""
    header, place = {}, 0
    if source.random() < 0.4:
        header["__metadata__"] = {"format": "pt", "note": "x" * source.randrange(5)}
    for number in range(source.randrange(5)):
        dtype = source.choice(list(SIZES))
        shape = [source.choice([0, 1, 2, 3, 5]) for _ in range(source.randrange(4))]
        size = SIZES[dtype]
        for side in shape:
            size *= side
        header[f"layer.{number}.weight"] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    return header, place


def changed_value(source, value):
    """The JSON value with one thing in it changed."""
    if isinstance(value, dict) and value and source.random() < 0.9:
        name = source.choice(list(value))
        what = source.random()
        if what < 0.1:
            return {key: item for key, item in value.items() if key != name}
        if what < 0.2:
            return value | {source.choice(["", "__metadata__", "x", "dtype", name + "\u0000", "\u00e4"]): value[name]}
        return value | {name: changed_value(source, value[name])}
    if isinstance(value, list) and value and source.random() < 0.8:
        at = source.randrange(len(value))
        what = source.random()
        if what < 0.1:
            return value[:at] + value[at + 1 :]
        if what < 0.2:
            return value + [value[at]]
        if what < 0.3:
            return value[::-1]
        return [changed_value(source, item) if number == at else item for number, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and source.random() < 0.6:
        return value + source.choice([-2, -1, 1, 2, 4])
    if isinstance(value, str) and source.random() < 0.5:
        return source.choice([*SIZES, "F4", "f32", "F128", "U16", "U32", "U64", "C64", "F8_E8M0", "x"])
    return source.choice(NUMBERS)


def changed_text(source, text):
    """Bytes of a header with one change that JSON itself may not like."""
    at = source.randrange(len(text))
    piece = source.choice([b" ", b"\n", b"\t", b",", b"{", b"}", b"]", b"\"", b"\\u0000", b"\\ud800", b"\xff", b"\0", b"NaN", b"0", b"1e1", b"-0", b"/**/", b"\"a\":1,"])
    return source.choice([text[:at] + piece + text[at:], text[:at] + text[at + 1 :], text[:at] + bytes([source.randrange(256)]) + text[at + 1 :],
                          text + b" " * source.randrange(9), b" " + text, text[:-1] + b"," + text[1:] if len(text) > 2 else text, b"\xef\xbb\xbf" + text])


def changed_file(source):
    header, size = good_header(source)
    data = bytes(source.randrange(256) for _ in range(size))
    what = source.random()
    if what < 0.08:
        return file_of(header, data)
    if what < 0.5:
        for _ in range(source.choice([1, 1, 2])):
            header = changed_value(source, header)
        return file_of(header, data)
    text = json.dumps(header).encode()
    if what < 0.75:
        return file_of(changed_text(source, text), data)
    if what < 0.85:
        return file_of(text, data, source.choice([0, 1, len(text) - 1, len(text) + 1, len(text) + size, 100_000_001, 2**63, 2**64 - 1]))
    whole = file_of(text, data)
    return source.choice([whole[: source.randrange(len(whole) + 1)], whole + bytes(source.randrange(1, 9)), whole[1:]])


def refused_by_library(content):
    try:
        safetensors.deserialize(content)
        return None
    except Exception as error:  # the library raises its own, and those of Unicode and memory
        return str(error) or type(error).__name__


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    files = [changed_file(source) for _ in range(options.files)]
    stream = b"".join(struct.pack("<Q", len(content)) + content for content in files)
    answers = subprocess.run([PROGRAMS / "read_many", "safetensors"], input=stream, capture_output=True, check=True).stdout.decode(errors="replace").splitlines()
    assert len(answers) == len(files), f"expected {len(files)} answers, got {len(answers)}"
    counts, stricter = collections.Counter(), collections.Counter()
    for content, answer in zip(files, answers):
        reason = refused_by_library(content)
        assert not reason or answer.startswith("refused"), f"the library refuses what is taken here ({reason}): {content!r}"
        counts["refused by both" if reason else "taken by both" if answer == "taken" else "refused here alone"] += 1
        if not reason and answer != "taken":
            stricter[" ".join(answer.split('"')[::2])[:70]] += 1
    print(f"{len(files)} files: {dict(counts)}")
    for reason, count in stricter.most_common(12):
        print(f"  refused here alone, {count}: {reason}")
    assert counts["taken by both"] > len(files) // 20 and counts["refused by both"] > len(files) // 4


if __name__ == "__main__":
    main()
