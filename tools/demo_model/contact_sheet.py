# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a running server draw many prompts with the demonstration model and joins the pictures into a sheet.

usage: contact_sheet.py --server http://127.0.0.1:8188 --out sheet.png [--held-back STATE]
"""
import argparse
import io
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

from PIL import Image, ImageDraw

import data

def asked(name, style):
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}, {style}"


PROMPTS = [asked(name, style) for style, names in {
    "flat": "red apple|cat face|rocket|pizza|sunflower|red heart|dog face|house|hamburger|banana|tropical fish|"
            "grinning face|honeybee|christmas tree|snowman|lemon|balloon|penguin|mushroom|police car|fire|rainbow",
    "3d": "smiling cat with heart eyes|frog|tomato|strawberry|airplane|hatching chick|clown face|cactus|cherries|panda|ghost|"
          "robot|trophy|blue heart|soccer ball|cookie|whale|crescent moon|melon|snail|star",
    "noto": "red apple|mouse face|sailboat|watermelon|unicorn|alarm clock|cupcake|elephant|rose|thinking face|bicycle|"
            "octopus|shark|carrot|doughnut|lion|avocado|fox|pear|school|owl",
}.items() for name in names.split("|")]


def workflow(prompt, seed):
    """Nodes as POST /prompt takes them, with the settings of the first workflow."""
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "comfyui-demo.safetensors"}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": prompt}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": ""}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "3": {"class_type": "KSampler", "inputs": {
            "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0], "seed": seed,
            "steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "sheet"}},
    }


def ask(server, path, body=None):
    request = urllib.request.Request(server + path, None if body is None else json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read()


def draw(server, prompt, seed):
    number = json.loads(ask(server, "/prompt", {"prompt": workflow(prompt, seed)}))["prompt_id"]
    for _ in range(1200):
        entry = json.loads(ask(server, f"/history/{number}")).get(number)
        if entry:
            if "9" not in entry["outputs"]:
                raise RuntimeError(f"\"{prompt}\" ended without a picture: {entry['status']}")
            made = entry["outputs"]["9"]["images"][0]
            return Image.open(io.BytesIO(ask(server, "/view?" + urllib.parse.urlencode(made)))).convert("RGB")
        time.sleep(0.05)
    raise RuntimeError(f"\"{prompt}\" did not end within a minute")


def sheet(pictures, columns=8, side=128, text=14):
    rows = (len(pictures) + columns - 1) // columns
    whole = Image.new("RGB", (columns * side, rows * (side + text)), "white")
    pen = ImageDraw.Draw(whole)
    for i, (prompt, picture) in enumerate(pictures):
        left, top = i % columns * side, i // columns * (side + text)
        whole.paste(picture.resize((side, side), Image.NEAREST), (left, top))
        pen.text((left + 2, top + side), prompt.removeprefix("a ").removeprefix("an ")[:22], fill="black")
    return whole


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--held-back", type=Path, help="draw what training has not seen; train.py's --folder")
    args = parser.parse_args()
    prompts = PROMPTS
    if args.held_back:
        prompts = [asked(p.name, p.style) for p in data.held_back(data.pictures(args.held_back))]
    sheet([(prompt, draw(args.server, prompt, seed)) for seed, prompt in enumerate(prompts)]).save(args.out)


if __name__ == "__main__":
    main()
