# Sourced: installs what training needs into the cache folder. Sets: state, the folder of the training's state.
state=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed/demo_model
here=$(dirname "${BASH_SOURCE[0]}")
mkdir -p "$state"
if ! cmp -s "$here/requirements.txt" "$state/venv/requirements.txt"; then
  python3 -m venv "$state/venv"
  "$state/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$state/venv/requirements.txt"
fi
if ! cmp -s "$here/package.json" "$state/package.json"; then
  cp "$here/package.json" "$state/package.json"
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$state"
fi
