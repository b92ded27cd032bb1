#!/usr/bin/env bash
# Runs the tests of client libraries against the programs in COMFY_BIN: run.sh FILE...
# The libraries are installed at pinned versions, unmodified, into the cache folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
installed=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed/test-clients
mkdir -p "$installed"
exec 9>"$installed.lock"
flock 9
if ! cmp -s package-lock.json "$installed/.installed"; then
  cp package.json package-lock.json "$installed"
  npm ci --prefix "$installed" --silent --no-audit --no-fund --ignore-scripts
  cp package-lock.json "$installed/.installed"
fi
exec 9>&-
ln -sfn "$installed/node_modules" node_modules
exec node --test --test-concurrency=1 "$@"
