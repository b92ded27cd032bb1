#!/usr/bin/env bash
# clang-tidy over sources, each finding an error.
#   tools/tidy.sh              what differs from origin/main, or from the commit before where nothing does; 12 files at most
#   tools/tidy.sh --all [DIR]  every source, or those below DIR
#   tools/tidy.sh FILE...      these
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"
most=12

# The changed sources that are still there, the smallest first, so that the limit lets as many through as it can.
changed() {
  local base
  base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse -q --verify 'HEAD~1' || git rev-parse HEAD)
  [ "$base" = "$(git rev-parse HEAD)" ] && git diff --quiet HEAD -- && base=$(git rev-parse -q --verify 'HEAD~1' || echo "$base")
  { git diff --name-only --diff-filter=d "$base" -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp'; } | sort -u
}

case ${1:-} in
  "") mapfile -t files < <(changed)
      if [ ${#files[@]} -gt $most ]; then
        say "clang-tidy looks at $most of ${#files[@]} changed sources; tools/tidy.sh FILE... for the others"
        mapfile -t files < <(stat -c '%s %n' "${files[@]}" | sort -n | head -$most | cut -d' ' -f2-)
      fi ;;
  --all) mapfile -t files < <(git ls-files "${2:-.}" | grep '\.cpp$') ;;
  *) files=("$@") ;;
esac
[ ${#files[@]} -gt 0 ] || exit 0

[ -n "${torch:-}" ] || set_up_wheels
cmake --preset tidy >"$cache/tidy.log" 2>&1 || { tail -30 "$cache/tidy.log" >&2; exit 1; }
# Sources that this configuration does not build have no command and are left out.
printf '%s\n' "${files[@]}" |
  python3 -c '
import json, os, sys
built = {os.path.realpath(entry["file"]) for entry in json.load(open("build/tidy/compile_commands.json"))}
for line in sys.stdin:
    if os.path.realpath(line.strip()) in built:
        print(line.strip())' |
  xargs -r -P "$(nproc)" -n 1 clang-tidy-19 -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option 2>"$cache/tidy.log"
