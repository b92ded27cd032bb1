# SPDX-License-Identifier: GPL-3.0-or-later
"""Emoji as pictures with captions: three freely licensed sets, drawn at one size on white.

A picture is (name, style); 64 combinations of both are held back from training to judge the result by.
"""
import io
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

SETS = {"flat": "fluent-emoji-flat", "3d": "fluent-emoji", "noto": "noto"}
SIDE = 64

# As the Noto set sorts them. Tools, people and symbols are left out: a model this small learns fewer things better.
_TOPICS = ("Animals & Nature", "Food & Drink", "Smileys & Emotion", "Travel & Places", "Activities")

# Not pictures of things: letters, signs, arrows, clocks, skin tones, and people at work.
_LEFT_OUT = re.compile(
    r"skin-tone|-(light|dark|medium)|button|arrow|keycap|oclock|thirty|japanese-|-symbol|input-|"
    r"^(man|person|people|men|woman|women)-|"
    r"^(aries|taurus|gemini|cancer|leo|virgo|libra|scorpio|sagittarius|capricorn|aquarius|pisces|"
    r"ophiuchus)$|facing-right|^(no|on|up|a|b|ab|o|id|om|ok|new|cl|cool|free|sos|vs)-|square|"
    r"^(family|couple|kiss|backhand|hand-with|leftwards|rightwards|palm|oncoming-fist|pinched)|"
    r"mark$|-sign$|currency|registered|copyright|trade-mark|information|litter|toilet|restroom|"
    r"passport|customs|baggage|moon-|speech|bubble|diamond|recycling|wheel-of|star-and|menorah|"
    r"latin-cross|orthodox|yin-yang|peace|place-of|atom|infinity|plus|minus|divide|multiply|equals|"
    r"curly-loop|wavy-dash|dotted|fleur|trident|medical|transgender|female|male")


@dataclass(frozen=True)
class Picture:
    name: str  # words with blanks: "red apple"
    style: str  # a key of SETS
    synonyms: tuple


def _load(folder, style, file="icons.json"):
    return json.loads((folder / "node_modules/@iconify-json" / SETS[style] / file).read_text())


def _synonyms(folder):
    """Name -> other words for it, from emojilib."""
    table = json.loads((folder / "node_modules/emojilib/dist/emoji-en-US.json").read_text())
    result = {}
    for words in table.values():
        plain = [word.replace("_", " ") for word in words if re.fullmatch(r"[a-z_ ]{3,20}", word)]
        if words:
            result[words[0].replace("_", " ")] = tuple(plain[1:4])
    return result


def pictures(folder):
    """Every (name, style) of the topics that all three sets draw, in a fixed order. folder: where npm installed."""
    topics = _load(folder, "noto", "metadata.json")["categories"]
    wanted = {name for topic in _TOPICS for name in topics[topic]} - {
        name for topic, names in topics.items() if topic not in _TOPICS for name in names}
    icons = {style: _load(folder, style)["icons"].keys() for style in SETS}
    names = sorted(name for name in wanted
                   if all(name in other for other in icons.values()) and not _LEFT_OUT.search(name))
    synonyms = _synonyms(folder)
    spoken = [name.replace("-", " ") for name in names]
    return [Picture(name, style, synonyms.get(name, ())) for name in spoken for style in SETS]


def held_back(everything):
    """64 pictures of which training sees the name in two other styles only."""
    source = random.Random(64)
    names = source.sample(sorted({picture.name for picture in everything}), 64)
    chosen = {(name, source.choice(list(SETS))) for name in names}
    return [picture for picture in everything if (picture.name, picture.style) in chosen]


def render(folder, chosen):
    """[N, 3, SIDE, SIDE] bytes, drawn on white."""
    import resvg_py
    from PIL import Image

    sets = {style: _load(folder, style) for style in SETS}
    result = numpy.empty((len(chosen), SIDE, SIDE, 3), numpy.uint8)
    for row, picture in enumerate(chosen):
        icons = sets[picture.style]
        icon = icons["icons"][picture.name.replace(" ", "-")]
        width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
        svg = (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
               f'viewBox="0 0 {width} {height}" width="{2 * SIDE}" height="{2 * SIDE}">{icon["body"]}</svg>')
        drawn = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
        drawn = drawn.resize((SIDE, SIDE), Image.LANCZOS)
        white = Image.new("RGBA", drawn.size, "white")
        white.alpha_composite(drawn)
        result[row] = numpy.asarray(white.convert("RGB"))
    return torch.from_numpy(result).permute(0, 3, 1, 2).contiguous()


def caption(picture, source):
    """One of the ways a person asks for that picture."""
    name = picture.name
    if picture.synonyms and source.random() < 0.12:
        name = source.choice(picture.synonyms)
    article = "an" if name[0] in "aeiou" else "a"
    subject = source.choice((name, name, f"{article} {name}", f"{article} {name}", f"emoji of {article} {name}"))
    return source.choice((f"{subject}, {picture.style}", f"{subject}, {picture.style}",
                          f"{picture.style} {subject}", subject))
