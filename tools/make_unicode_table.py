# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes src/inference/models/text/unicode_table.inc from Python's own Unicode data.

The tokenizer must classify, lower and compose characters as Python does, so Python is the source.
Run it with Python 3.11 (Unicode 14): python3 tools/make_unicode_table.py
"""
import pathlib
import unicodedata

LAST = 0x110000
TARGET = pathlib.Path(__file__).resolve().parent.parent / "src/inference/models/text/unicode_table.inc"


def code_points():
    return (c for c in range(LAST) if not 0xD800 <= c < 0xE000)


def kind(c):
    category = unicodedata.category(chr(c))
    if category == "Zs":
        return "space"
    return {"L": "letter", "N": "number", "C": "control"}.get(category[0], "other")


def ranges(value_of, skip):
    """Runs (first, last, value) of equal values, without those of the value `skip`."""
    runs = []
    for c in code_points():
        value = value_of(c)
        if value == skip:
            continue
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == value:
            runs[-1][1] = c
        else:
            runs.append([c, c, value])
    return runs


def casing(c):
    """How the character counts for a final sigma: Python shows it by what it makes of one."""
    if ("a" + chr(c) + "\u03a3").lower()[-1] != "\u03c2":
        return "none"
    return "cased" if (chr(c) + "\u03a3").lower()[-1] == "\u03c2" else "ignorable"


def lower_rows():
    """Runs (first, last, step, difference) of characters whose lower form is one other character."""
    runs = []
    for c in code_points():
        low = chr(c).lower()
        if len(low) != 1 or ord(low) == c:
            continue
        difference = ord(low) - c
        if runs and runs[-1][3] == difference:
            first, last, step, _ = runs[-1]
            gap = c - last
            if gap in (1, 2) and (first == last or gap == step):
                runs[-1][1:3] = [c, gap]
                continue
        runs.append([c, c, 1, difference])
    return runs


def decompositions():
    """Rows (composed, first, second or 0, whether the pair composes again)."""
    for c in code_points():
        mapping = unicodedata.decomposition(chr(c))
        if not mapping or mapping.startswith("<"):
            continue
        parts = [int(p, 16) for p in mapping.split()]
        first, second = parts if len(parts) == 2 else (parts[0], 0)
        pair = chr(first) + chr(second)
        yield c, first, second, bool(second) and unicodedata.normalize("NFC", pair) == chr(c)


def table(declaration, rows):
    cells = ["{" + ",".join(cell(v) for v in row) + "}," for row in rows]
    lines, line = [], ""
    for text in cells:
        if len(line) + len(text) > 110:
            lines.append(line)
            line = ""
        line += text
    return "\n".join([f"constexpr {declaration}[] = {{", *lines, line, "};", ""])


def cell(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return value
    return str(value) if value < 10 else hex(value)


def main():
    multiple = [c for c in code_points() if len(chr(c).lower()) > 1]
    assert multiple == [0x130], multiple  # the one that lower() in unicode.cpp spells out
    short = {"letter": "L", "number": "N", "control": "C", "space": "Z"}
    shorts = {"cased": "true", "ignorable": "false"}
    text = "\n".join([
        "// SPDX-License-Identifier: GPL-3.0-or-later",
        f"// Made by tools/make_unicode_table.py from Unicode {unicodedata.unidata_version}.",
        table("KindRange kKinds", [(a, b, short[k]) for a, b, k in ranges(kind, "other")]),
        table("ClassRange kCombining",
              ranges(lambda c: unicodedata.combining(chr(c)), 0)),
        table("CaseRange kCasing", [(a, b, shorts[k]) for a, b, k in ranges(casing, "none")]),
        table("LowerRange kLower", lower_rows()),
        table("Decomposition kDecompositions", decompositions()),
    ])
    TARGET.write_text(text)


main()
