#!/usr/bin/env bash
# The programs are built as programs should be that strangers talk to: hardening.sh PROGRAM...
set -euo pipefail

expect() {  # PROGRAM WHAT PATTERN TEXT
  grep -q -- "$3" <<<"$4" || { echo "expected $1 to have $2"; exit 1; }
}

for program in "$@"; do
  # Loaded anywhere, and nothing that the loader fills in stays writable.
  headers=$(readelf -Wlhd "$program")
  expect "$program" "position-independent code" 'DYN (Position-Independent' "$headers"
  expect "$program" "read-only relocations" GNU_RELRO "$headers"
  expect "$program" "symbols bound at start" BIND_NOW "$headers"
  expect "$program" "a stack that does not execute" 'GNU_STACK.* RW ' "$headers"
  # Return addresses, and buffers whose size the compiler knows, are checked.
  symbols=$(readelf -W --dyn-syms "$program")
  expect "$program" "guarded stack frames" '__stack_chk_fail' "$symbols"
  expect "$program" "checked string functions" '__[a-z]*_chk@' "$symbols"
  [ "$(uname -m)" != x86_64 ] || expect "$program" "marked jump targets" endbr64 "$(objdump -d --disassemble=main "$program")"
done
