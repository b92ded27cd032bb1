#!/usr/bin/env bash
# The server must start in milliseconds and never compute: libtorch may not be among its libraries.
set -euo pipefail
found=$(ldd "$1" | grep -E 'libtorch|libc10' || true)
[ -z "$found" ] || { echo "expected $1 to link no libtorch, found:"; echo "$found"; exit 1; }
