#!/usr/bin/env bash
# Which lines of the readers of foreign bytes their tests reach: builds the layers up to the server's with gcc's counters,
# runs their unit tests and the replay of the fuzzing corpora, and prints a table.
#   tools/coverage.sh            one line for each reader
#   tools/coverage.sh --missing  the lines too that no test reaches
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=${XDG_CACHE_HOME:-$HOME/.cache}/comfyui-distributed/coverage.log
mkdir -p "$(dirname "$log")"
[ -e build/coverage/build.ninja ] || cmake --preset coverage >"$log" 2>&1 || { tail -30 "$log" >&2; exit 1; }
cmake --build build/coverage >"$log" 2>&1 || { grep -E 'error|FAILED' -A6 "$log" | head -60 >&2; exit 1; }
find build/coverage -name '*.gcda' -delete
ctest --test-dir build/coverage -L unit -E '^(layers|house)$' --output-on-failure >"$log" 2>&1 || { tail -40 "$log" >&2; exit 1; }
find build/coverage -name '*.gcda' | xargs gcov --json-format --stdout 2>/dev/null | python3 -c '
import collections, json, pathlib, sys

# What decides about bytes of others: files, requests, messages of the broker, texts of prompts.
READERS = """
base: json strings
formats: file_kind mapped_file model_file pickle pickle_calls pickle_names safetensors tensor_table torch_file zip
media: bmp_read decode exif gif_read jpeg_read load_image metadata png_read tiff_read webp_read
graph: check_literal coerce definition from_object_info prompt prompt_limits signature submission type_match validate
link: bodies deflate frame message wire address
paths: annotated_name client_path root save_name walk
options: config_file parse_options
access: base64 gate key_file logins role token
server: body conditional fields framing origin_rules trusted_proxies multipart
text: python_regex unicode vocabulary
""".strip().splitlines()
counts = collections.defaultdict(dict)
for line in sys.stdin:
    for file in json.loads(line)["files"]:
        path = pathlib.Path(file["file"])
        for one in file["lines"]:
            lines = counts["/".join(path.parts[path.parts.index("src"):]) if "src" in path.parts else str(path)]
            lines[one["line_number"]] = max(lines.get(one["line_number"], 0), one["count"])
total = reached = 0
for row in READERS:
    layer, names = row.split(": ")
    for name in names.split():
        for path, lines in sorted(counts.items()):
            if not path.startswith("src/") or pathlib.Path(path).name != name + ".cpp" or f"/{layer}/" not in path:
                continue
            hit = sum(1 for count in lines.values() if count)
            total, reached = total + len(lines), reached + hit
            print(f"{100 * hit / len(lines):6.1f} %  {hit:4} of {len(lines):4}  {path}")
            if "--missing" in sys.argv:
                print("          lines " + " ".join(str(number) for number, count in sorted(lines.items()) if not count))
print(f"{100 * reached / total:6.1f} %  {reached:4} of {total:4}  lines of all readers")
' "$@"
