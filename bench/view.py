#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast /view sends a big file that is in the page cache, and how soon page files come.

usage: view.py [MEGABYTES]
"""
import os
import sys

from serving import Running, line


def main():
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    with Running("--workers", "0") as server:
        folder = server.base / "output"
        folder.mkdir(exist_ok=True)
        (folder / "big.png").write_bytes(os.urandom(size << 20))
        server.times("/view?filename=big.png", 3)
        times, sent = server.times("/view?filename=big.png", 50)
        line("view", f"{size}_megabytes_warm", [sent / took / 1e6 for took in times], "GB/s", bytes=sent)
        page = server.fetch_text("/")
        line("view", "page", server.times("/", 50)[0], "ms", bytes=len(page))
        script = next(part.split('"')[0] for part in page.split('src="')[1:] if ".js" in part)
        path = "/" + script.lstrip("./")
        plain, sent = server.times(path, 30)
        line("view", "script", plain, "ms", bytes=sent)
        headers = {"Accept-Encoding": "gzip"}
        server.times(path, 1, headers)
        server.settle()
        packed, sent = server.times(path, 30, headers)
        line("view", "script_packed", packed, "ms", bytes=sent)
        tag = server.header(path, "ETag")
        line("view", "script_not_modified", server.times(path, 30, {"If-None-Match": tag}, 304)[0], "ms")


if __name__ == "__main__":
    main()
