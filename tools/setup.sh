# Sourced by ./run and ./test: installs what is missing and builds. Everything that is downloaded or
# compiled lives in the user's cache folder, so a fresh clone pays once per machine.
#
# Sets: root, cache, build. Functions: say, set_up_packages, set_up_wheels, configure_and_build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed
build=$root/build/default
venv=$cache/venv
export CCACHE_DIR=$cache/ccache CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
export CCACHE_SLOPPINESS=pch_defines,time_macros
mkdir -p "$cache"

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else say "Administrator rights are needed for: $*"; sudo "$@"; fi
}

# set_up_packages [test]: Debian packages, listed one a line; with "test" those too that only the tests need.
set_up_packages() {
  local wanted missing lists=("$root/tools/debian-packages.txt")
  [ "${1:-}" = test ] && lists+=("$root/tools/debian-packages-test.txt")
  wanted=$(sort -u "${lists[@]}")
  # A package that is there by other means (node from its own site) needs no Debian package.
  command -v node >/dev/null && wanted=$(grep -vx nodejs <<<"$wanted")
  command -v npm >/dev/null && wanted=$(grep -vx npm <<<"$wanted")
  missing=$(comm -23 <(sort <<<"$wanted") <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | awk '$1=="ii"{print $2}' | sort -u))
  [ -z "$missing" ] && return
  say "Installing Debian packages:" $missing
  grep -q libboost1.81 <<<"$missing" && dpkg -s libboost1.74-dev >/dev/null 2>&1 &&
    say "(Boost 1.81 replaces the installed 1.74 headers.)"
  # Services must not start by being installed.
  as_root sh -c 'test -e /usr/sbin/policy-rc.d || { printf "#!/bin/sh\nexit 101\n" > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }'
  as_root apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# True when libtorch finds every library it needs.
torch_loads() {
  [ -e "$torch/lib/libtorch_cpu.so" ] && ! ldd "$torch/lib/libtorch_cpu.so" 2>/dev/null | grep -q 'not found'
}

# libtorch, the web page, its templates and help, and the tokenizer's vocabulary, from pinned wheels.
set_up_wheels() {
  [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
  torch=$(echo "$venv"/lib/python3*/site-packages)/torch
  site=${torch%/torch}
  if ! cmp -s "$root/tools/wheels.txt" "$venv/wheels.txt"; then
    say "Installing libtorch and the web page into $venv (once per machine)"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$root/tools/wheels.txt"
    torch_loads || "$venv/bin/pip" install -q --disable-pip-version-check "$(grep '^torch==' "$root/tools/wheels.txt")"
    cp "$root/tools/wheels.txt" "$venv/wheels.txt"
  fi
  torch_loads || { say "libtorch in $torch does not load: $(ldd "$torch/lib/libtorch_cpu.so" | grep 'not found')"; exit 1; }
  export COMFY_TORCH_ROOT=$torch
  set_up_vocabulary
}

# The CLIP vocabulary is one file of a 1.5 MB wheel that is not installed.
set_up_vocabulary() {
  local file=bpe_simple_vocab_16e6.txt.gz
  [ -e "$cache/vocab/$file" ] && return
  local folder
  folder=$(mktemp -d)
  "$venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$folder" open_clip_torch==3.3.0
  mkdir -p "$cache/vocab"
  "$venv/bin/python" - "$folder" "$cache/vocab/$file" <<'PYTHON'
import glob, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
open(sys.argv[2], "wb").write(wheel.read("open_clip/bpe_simple_vocab_16e6.txt.gz"))
PYTHON
  rm -r "$folder"
}

# What the programs look for beside themselves: share/comfyui/{web,templates,docs,extensions,models}; CMake copies the vocabulary.
link_share() {
  local share=$build/share/comfyui
  mkdir -p "$share"
  ln -sfn "$site/comfyui_frontend_package/static" "$share/web"
  ln -sfn "$site/comfyui_embedded_docs/docs" "$share/docs"
  ln -sfn "$site" "$share/templates"
  ln -sfn "$root/share/extensions" "$share/extensions"
  ln -sfn "$root/share/models" "$share/models"
}

# configure_and_build [target...]
configure_and_build() {
  cd "$root"
  if [ ! -e "$build/build.ninja" ] || ! grep -qs "COMFY_TORCH_ROOT:PATH=$COMFY_TORCH_ROOT\$" "$build/CMakeCache.txt"; then
    cmake --preset default >"$cache/configure.log" 2>&1 || { cat "$cache/configure.log" >&2; exit 1; }
  fi
  link_share
  cmake --build --preset default --target "${@:-all}" >"$cache/build.log" 2>&1 ||
    { grep -E 'error|Error|FAILED|undefined' -A6 "$cache/build.log" | head -100 >&2; say "The build ended with an error; all of it: $cache/build.log"; exit 1; }
}
