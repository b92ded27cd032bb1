"""Rules of the house that a program can check (docs/style.md has the reasons); prints every breach."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
files = [root / f for f in subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True,
                                          capture_output=True, text=True).stdout.splitlines()]
sources = [f for f in files if f.suffix in {".h", ".cpp"} and f.exists()]
bad = []


def breach(path, line, text):
    bad.append(f"{path.relative_to(root)}:{line}: {text}")


for path in sources:
    lines = path.read_text().splitlines()
    if not lines or not lines[0].startswith("// SPDX-License-Identifier: GPL-3.0-or-later"):
        breach(path, 1, "the first line must be the SPDX line")
    if path.suffix == ".h" and "#pragma once" not in lines[:4]:
        breach(path, 2, "a header begins with #pragma once")
    if len(lines) > 800:
        breach(path, len(lines), "more than 800 lines: is this still one thing?")
    in_tensor = "inference/tensor" in str(path)
    for number, line in enumerate(lines, 1):
        if re.search(r"#include <torch/(?!headeronly/)", line):
            breach(path, number, "<torch/...> is banned; include inference/tensor/ops.h")
        if path.suffix == ".h" and not in_tensor and re.search(r"#include <ATen/", line):
            breach(path, number, "only inference/tensor/ headers include ATen; include inference/tensor/tensor.h")
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", line):
            breach(path, number, "a TODO needs an issue number: TODO(#12)")
        if re.match(r"\s*using namespace\b", line) and "std::" not in line and path.suffix == ".h":
            breach(path, number, "no using namespace in headers")

for path in files:
    if any(part in {"utils", "common", "helpers", "misc"} or part.startswith(("utils.", "helpers."))
           for part in path.relative_to(root).parts):
        breach(path, 1, "a name that says nothing; give the thing its own name")
    # The models that come with the program are the only large files.
    limit = 20_000_000 if path.is_relative_to(root / "share/models") else 2 << 20
    if path.exists() and path.stat().st_size > limit:
        breach(path, 1, f"larger than {limit} bytes")

# docs/security.md names the tests that hold each promise: they must exist.
tests = {match for path in sources if path.name.endswith("_test.cpp")
         for match in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", path.read_text(), re.M)}
promises = root / "docs/security.md"
for number, line in enumerate(promises.read_text().splitlines(), 1):
    for suite, name in re.findall(r"`(\w+)\.(\w+|\*)`", line) if line.startswith("| S") else []:
        known = any(s == suite and name in ("*", n) for s, n in tests)
        if suite[0].isupper() and suite.isalnum() and not known and name != "md":
            breach(promises, number, f"no test is called {suite}.{name}")

print("\n".join(bad))
sys.exit(bool(bad))
