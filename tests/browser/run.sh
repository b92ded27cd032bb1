#!/usr/bin/env bash
# Runs the browser tests against the programs in COMFY_BIN: run.sh FILE...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --silent --no-audit --no-fund --ignore-scripts
  cp package-lock.json node_modules/.installed
fi
exec node --test --test-concurrency=1 "$@"
