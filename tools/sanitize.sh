#!/usr/bin/env bash
# Builds the layers that read foreign bytes with the address and undefined-behaviour sanitizers and
# runs their unit tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed/sanitize.log
[ -e build/asan/build.ninja ] || cmake --preset asan >"$log" 2>&1 || { tail -30 "$log" >&2; exit 1; }
cmake --build --preset asan >"$log" 2>&1 || { grep -E 'error|FAILED' -A6 "$log" | head -60 >&2; exit 1; }
ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
  ctest --preset asan
