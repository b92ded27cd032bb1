#!/usr/bin/env bash
# Builds the programs and copies them, with everything they need beside Debian's packages, into a folder that can be
# moved to another machine of the same Debian: bin, lib/comfyui, share/comfyui.
#
# usage: tools/install.sh FOLDER
set -euo pipefail
[ $# = 1 ] || { echo "usage: tools/install.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
target=$(cd "$1" && pwd)
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
set_up_packages
set_up_wheels
configure_and_build programs

cmake --install "$build" --prefix "$target" >/dev/null
share=$target/share/comfyui
mkdir -p "$share/templates"
for part in web docs extensions models vocab catalogue.json; do
  [ ! -e "$build/share/comfyui/$part" ] || cp -rL --no-preserve=mode,timestamps "$build/share/comfyui/$part" "$share/"
done
# Only the templates out of the folder of all Python packages, and nothing of Python.
cp -r --no-preserve=mode,timestamps "$site"/comfyui_workflow_templates_* "$share/templates/"
find "$share" \( -name '__pycache__' -o -name '*.map' \) -prune -exec rm -r {} +
find "$share/plugin" -type d -empty -delete
say "Installed into $target. It needs the packages of packaging/runtime-packages.txt."
