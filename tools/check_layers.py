"""Fails when a layer includes a header of a layer that it does not list in DEPS (src/<wing>/<layer>/CMakeLists.txt)."""
import pathlib
import re
import sys

src = pathlib.Path(__file__).resolve().parent.parent / "src"
layers = {p.parent.name: p for p in src.glob("*/*/CMakeLists.txt")}
uses = {name: set(re.findall(r"comfy::(\w+)", p.read_text())) & set(layers) for name, p in layers.items()}


def reachable(layer, seen=frozenset()):
    return {layer}.union(*(reachable(d, seen | {layer}) for d in uses[layer] - seen - {layer}))


bad = []
for layer, cmake in layers.items():
    allowed = reachable(layer)
    for path in sorted(cmake.parent.rglob("*.[ch]*")):
        is_test = path.stem.endswith("_test")
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'#include "(\w+)/(\w+)/', line)
            if found and found[2] in layers and found[2] not in allowed and not is_test:
                bad.append(f"{path.relative_to(src)}:{number}: {layer} may not include {found[1]}/{found[2]}/ "
                           f"(add comfy::{found[2]} to DEPS, or move the code)")
print("\n".join(bad))
sys.exit(bool(bad))
