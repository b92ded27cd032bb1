#!/usr/bin/env bash
# The server must start in milliseconds and never compute: libtorch may not be among its libraries. It is also built as
# a program should be that strangers talk to.
set -euo pipefail
found=$(ldd "$1" | grep -E 'libtorch|libc10' || true)
[ -z "$found" ] || { echo "expected $1 to link no libtorch, found:"; echo "$found"; exit 1; }

# Loaded anywhere, and nothing that the loader fills in stays writable.
headers=$(readelf -Wlhd "$1")
for mark in 'DYN (Position-Independent' GNU_RELRO BIND_NOW; do
  grep -q "$mark" <<<"$headers" || { echo "expected $1 to have $mark"; exit 1; }
done
grep -q 'GNU_STACK.* RW ' <<<"$headers" || { echo "expected $1 to have a stack that does not execute"; exit 1; }
