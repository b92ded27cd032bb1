#!/usr/bin/env bash
# Runs the browser tests against the programs in COMFY_BIN: run.sh FILE...
# FRONTEND=VERSION has those that know it take that version of the editor, which is installed into the cache folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed
if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --silent --no-audit --no-fund --ignore-scripts
  cp package-lock.json node_modules/.installed
fi
if [ -n "${FRONTEND:-}" ] && [ ! -e "$cache/frontend-$FRONTEND/comfyui_frontend_package/static/index.html" ]; then
  python3 -m pip install -q --disable-pip-version-check --no-deps --target "$cache/frontend-$FRONTEND" "comfyui-frontend-package==$FRONTEND"
fi
exec node --test --test-concurrency=1 "$@"
