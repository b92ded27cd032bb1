#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long /object_info and lists of models take with many model files: at first, warm, unchanged (304), and after one new file.

usage: object_info.py [FILES ...]
"""
import sys

from serving import Running, line


def main():
    for files in [int(number) for number in sys.argv[1:]] or [100, 1_000, 10_000]:
        with Running("--workers", "0") as server:
            folder = server.base / "models/loras"
            for i in range(files):
                file = folder / f"set{i % 50}" / f"lora_number_{i:06}.safetensors"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
            case = f"{files}_files"
            cold, size = server.times("/object_info", 1)
            line("object_info", f"{case}_cold", cold, "ms", bytes=size)
            warm, _ = server.times("/object_info", 30)
            line("object_info", f"{case}_warm", warm, "ms", bytes=size)
            packing, size = server.times("/object_info", 1, {"Accept-Encoding": "gzip"})
            line("object_info", f"{case}_gzip_first", packing, "ms", bytes=size)
            packed, size = server.times("/object_info", 30, {"Accept-Encoding": "gzip"})
            line("object_info", f"{case}_gzip_warm", packed, "ms", bytes=size)
            connection = server.connect()
            connection.request("GET", "/object_info")
            reply = connection.getresponse()
            reply.read()
            same, _ = server.times("/object_info", 30, {"If-None-Match": reply.getheader("ETag")}, 304)
            line("object_info", f"{case}_not_modified", same, "ms")
            changed = []
            for i in range(5):
                (folder / f"new_{i}.safetensors").touch()
                changed += server.times("/object_info", 1)[0]
            line("object_info", f"{case}_after_a_new_file", changed, "ms")
            listed, _ = server.times("/models/loras", 30)
            line("listing", f"{case}_models", listed, "ms")


if __name__ == "__main__":
    main()
