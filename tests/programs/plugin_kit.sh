#!/usr/bin/env bash
# What is installed is enough to build a plug-in: plugin_kit.sh BUILD_FOLDER TORCH_FOLDER
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill $server; wait $server || true; }; rm -rf "$folder"' EXIT
cmake --install "$1" --prefix "$folder/installed" >/dev/null
example=$folder/installed/share/comfyui/plugin/plugins/example
cmake -S "$example" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOMFY_TORCH_ROOT="$2" >/dev/null
cmake --build "$folder/build"
# The installed program takes it.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$folder/installed/bin/comfyui" --cwd "$folder" --port "$port" --plugin-directory "$folder/build/plugins" >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 300); do
  grep -q 'plug-in example brings' "$folder/log" && exit 0
  sleep 0.1
done
cat "$folder/log"
exit 1
