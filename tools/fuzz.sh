#!/usr/bin/env bash
# Looks for inputs that break a reader of foreign bytes: builds tests/fuzz with clang's libFuzzer and
# both sanitizers, then gives every target new inputs.
#   tools/fuzz.sh                    some of each target, for ./test --full
#   tools/fuzz.sh TARGET [RUNS]      one target for long; what it learns goes to build/fuzz/corpus
# What breaks a target is left as build/fuzz/found/TARGET-*; make it small (-minimize_crash=1), put it
# into tests/fuzz/corpus/TARGET and state the right error in a test beside the source.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed/fuzz.log
mkdir -p "$(dirname "$log")" build/fuzz/found
[ -e build/fuzz/build.ninja ] || cmake --preset fuzz >"$log" 2>&1 || { tail -30 "$log" >&2; exit 1; }
cmake --build build/fuzz --target fuzz >"$log" 2>&1 || { grep -E 'error|FAILED' -A6 "$log" | head -60 >&2; exit 1; }
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

search() {  # TARGET RUNS
  mkdir -p "build/fuzz/corpus/$1"
  COMFY_FUZZ_TARGET=$1 build/fuzz/bin/fuzz -runs="$2" -timeout=5 -rss_limit_mb=2048 -max_len=65536 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/found/$1-" "build/fuzz/corpus/$1" "tests/fuzz/corpus/$1" >"$log" 2>&1 ||
    { tail -40 "$log" >&2; echo "$1: an input broke it, see build/fuzz/found" >&2; return 1; }
  echo "$1: $(grep -oE 'number_of_executed_units: *[0-9]+' "$log" | grep -oE '[0-9]+$') inputs"
}

if [ $# -gt 0 ]; then
  search "$1" "${2:-10000000}"
  exit
fi
failed=no
for folder in tests/fuzz/corpus/*/; do
  target=$(basename "$folder")
  # As many as security.md asks of each commit; readers of whole pictures and sockets take longer.
  # Each reading of the command line makes a table of some 150 options first.
  case $target in
    options) runs=5000 ;;
    picture | websocket | config | regex | save_name | token | tokens | key_file) runs=20000 ;;
    *) runs=50000 ;;
  esac
  search "$target" $runs || failed=yes
done
[ $failed = no ]
