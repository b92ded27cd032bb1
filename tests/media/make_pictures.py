# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small pictures of every kind into pictures/, and into pictures.json what Pillow makes of each.

Run by hand with Pillow installed (13.0 was used); the tests read the result.
"""
import hashlib
import io
import json
import pathlib
import random
import struct
import zlib

from PIL import Image, ImageOps, ImageSequence

here = pathlib.Path(__file__).resolve().parent
folder = here / "pictures"
dice = random.Random(7)
W, H = 11, 7


def noise(mode, size=(W, H)):
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, bytes(dice.randrange(256) for _ in range(size[0] * size[1] * bands)))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour, size=(W, H), interlace=0, extra=b""):
    """A PNG of random bits: every depth and colour type, which Pillow itself cannot write."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def rows(width, height):
        row = (width * channels * depth + 7) // 8
        return b"".join(b"\0" + bytes(dice.randrange(256) for _ in range(row)) for _ in range(height if width else 0))

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    width, height = size
    body = rows(width, height) if not interlace else b"".join(
        rows(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes if width > x and height > y)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def palette(count):
    return chunk(b"PLTE", bytes(dice.randrange(256) for _ in range(3 * count)))


files = {}


def keep(name, image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    files[name] = out.getvalue()


for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 4: (8, 16), 6: (8, 16)}.items():
    for depth in depths:
        files[f"c{colour}_{depth}.png"] = png(depth, colour)
        files[f"c{colour}_{depth}_interlaced.png"] = png(depth, colour, interlace=1)
for depth in (1, 2, 4, 8):
    files[f"c3_{depth}.png"] = png(depth, 3, extra=palette(2**depth))
files["c3_short_palette.png"] = png(4, 3, extra=palette(5) + chunk(b"tRNS", b"\x00\x80"))
files["c3_tRNS.png"] = png(2, 3, extra=palette(4) + chunk(b"tRNS", b"\xff\x00\x40"))
files["c0_1_tRNS.png"] = png(1, 0, extra=chunk(b"tRNS", b"\0\1"))
files["c0_8_tRNS.png"] = png(8, 0, (64, 8), extra=chunk(b"tRNS", b"\0\x21"))
files["c2_8_tRNS.png"] = png(8, 2, (3, 2), extra=chunk(b"tRNS", b"\0\1\0\2\0\3"))

for mode in ("L", "RGB", "CMYK"):
    keep(f"{mode}.jpg", noise(mode), format="JPEG", quality=90)
    keep(f"{mode}_progressive.jpg", noise(mode, (40, 33)), format="JPEG", quality=70, progressive=True)
for sampling in (0, 1, 2):
    keep(f"sampling{sampling}.jpg", noise("RGB", (33, 21)).resize((66, 42)), format="JPEG", quality=80, subsampling=sampling)
for turn in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = turn
    keep(f"turn{turn}.jpg", noise("RGB"), format="JPEG", quality=95, exif=exif)
exif = Image.Exif()
exif[0x0112] = 8
keep("turn8.webp", noise("RGB"), format="WEBP", lossless=True, exif=exif)
keep("turn6.tiff", noise("RGB"), format="TIFF", tiffinfo={274: 6})

for mode in ("1", "L", "P", "RGB", "RGBA"):
    image = noise("RGB").quantize(40) if mode == "P" else noise("L").convert(mode) if mode == "1" else noise(mode)
    keep(f"{mode}.bmp", image, format="BMP")
for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16"):
    if mode == "P":
        image = noise("RGB").quantize(40)
    elif mode in ("I", "F"):
        image = noise("L").convert(mode).point(lambda v: v * 3 - 100)
    elif mode == "I;16":
        image = Image.frombytes("I;16", (W, H), bytes(dice.randrange(256) if i % 2 == 0 else dice.randrange(3) for i in range(2 * W * H)))
    else:
        image = noise("L").convert(mode) if mode == "1" else noise(mode)
    for packing in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        keep(f"{mode.replace(';', '_')}_{packing or 'raw'}.tiff", image, format="TIFF", compression=packing)
keep("jpeg.tiff", noise("RGB", (24, 16)), format="TIFF", compression="jpeg", quality=90)
keep("g4.tiff", noise("L").convert("1"), format="TIFF", compression="group4")
keep("pages.tiff", noise("RGB"), format="TIFF", save_all=True, append_images=[noise("RGB"), noise("L"), noise("RGB", (3, 4))])

keep("lossy.webp", noise("RGB", (33, 20)), format="WEBP", quality=60)
keep("lossy_alpha.webp", noise("RGBA", (33, 20)), format="WEBP", quality=60)
keep("frames.webp", noise("RGBA"), format="WEBP", save_all=True, append_images=[noise("RGBA"), noise("RGB")], lossless=True)

# animations whose frames cover parts, keep or drop what is below, and leave holes
for number in range(24):
    size = (dice.randrange(6, 14), dice.randrange(5, 12))
    common = dice.random() < 0.7
    grey = number % 8 == 7

    def colours(bits):
        if grey:
            return b"".join(bytes([i] * 3) for i in range(2**bits))
        return bytes(dice.randrange(256) for _ in range(3 * 2**bits))

    def lzw(values, bits):
        """Codes without a dictionary: a clear code often enough that their width never grows."""
        out, held, count = bytearray(), 0, 0

        def put(code):
            nonlocal held, count
            held |= code << count
            count += bits + 1
            while count >= 8:
                out.append(held & 255)
                held >>= 8
                count -= 8

        for at, value in enumerate(values):
            if at % (2**bits - 2) == 0:
                put(2**bits)
            put(value)
        put(2**bits + 1)
        if count:
            out.append(held & 255)
        return b"".join(bytes([len(out[i:i + 255])]) + bytes(out[i:i + 255]) for i in range(0, len(out), 255)) + b"\0"

    bits = 3
    data = b"GIF89a" + struct.pack("<HHBBB", *size, (0x80 | bits - 1) if common else bits - 1, dice.randrange(8), 0)
    data += colours(bits) if common else b""
    for frame in range(dice.randrange(1, 6)):
        left, top = (0, 0) if frame == 0 and dice.random() < 0.7 else (dice.randrange(3), dice.randrange(3))
        width, height = size[0] - left, size[1] - top
        if dice.random() < 0.6:
            width, height = dice.randrange(1, width + 1), dice.randrange(1, height + 1)
        if dice.random() < 0.8:
            flags = dice.randrange(4) << 2 | (dice.random() < 0.6)
            data += b"!\xf9\x04" + struct.pack("<BHB", flags, 5, dice.randrange(8)) + b"\0"
        own = not common or dice.random() < 0.4
        interlaced = dice.random() < 0.3
        data += b"," + struct.pack("<HHHHB", left, top, width, height, (0x80 | bits - 1 if own else 0) | (0x40 if interlaced else 0))
        data += colours(bits) if own else b""
        data += bytes([bits]) + lzw([dice.randrange(8) for _ in range(width * height)], bits)
    files[f"frames{number:02}.gif"] = data + b";"


def bmp(width, height, bits, pixels, packing=0, colours=0, masks=b"", size=40):
    """What Pillow does not write: runs, masks, the short header, rows from the top (height < 0)."""
    if size == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
        entries = bytes(dice.randrange(256) for _ in range(3 << bits)) if bits <= 8 else b""
    else:
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, packing, 0, 0, 0, colours, 0) + masks
        entries = b"".join(bytes(dice.randrange(256) for _ in range(3)) + b"\0" for _ in range(colours))
    start = 14 + len(head) + len(entries)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + entries + pixels


def raw(size):
    return bytes(dice.randrange(256) for _ in range(size))


# Runs: of one value, of literal pixels (with and without a byte to fill up), ends of lines, a move, the end.
files["runs8.bmp"] = bmp(9, 5, 8, bytes([9, 3, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 4, 7, 0, 0, 0, 4, 9, 8, 7, 6, 5, 1, 0, 0,
                                         3, 6, 0, 2, 2, 1, 4, 2, 0, 1]), packing=1, colours=16)
files["runs4.bmp"] = bmp(9, 4, 4, bytes([9, 0x12, 0, 0, 0, 6, 0x34, 0x56, 0x78, 0, 3, 0x90, 0, 0, 0, 5, 0xAB, 0xCD, 0xE0, 0, 4, 0x11, 0, 0,
                                         9, 0xFE, 0, 1]), packing=2, colours=16)
files["short_head8.bmp"] = bmp(7, 3, 8, raw(8 * 3), size=12)
files["short_head24.bmp"] = bmp(5, 3, 24, raw(16 * 3), size=12)
files["down24.bmp"] = bmp(5, -3, 24, raw(16 * 3))
files["five_bits.bmp"] = bmp(6, 3, 16, raw(12 * 3))
files["six_bits.bmp"] = bmp(6, 3, 16, raw(12 * 3), packing=3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F))
files["four_bits.bmp"] = bmp(7, 3, 4, raw(4 * 3), colours=16)


def tiled(mode, width, height, side, packed):
    """A TIFF of square tiles, which Pillow does not write either."""
    samples = {"L": 1, "RGB": 3}[mode]
    tiles = [raw(side * side * samples) for _ in range(-(-width // side) * -(-height // side))]
    tiles = [zlib.compress(tile) if packed else tile for tile in tiles]
    data, offsets = b"", []
    for tile in tiles:
        offsets.append(8 + len(data))
        data += tile + b"\0" * (len(tile) % 2)
    bits_at = 8 + len(data)
    offsets_at = bits_at + 2 * samples + samples % 2 * 2
    sizes_at = offsets_at + 4 * len(tiles)
    data += struct.pack(f"<{samples}H", *[8] * samples) + b"\0\0" * (samples % 2)
    data += struct.pack(f"<{len(tiles)}I", *offsets) + struct.pack(f"<{len(tiles)}I", *map(len, tiles))
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, samples, 8 if samples == 1 else bits_at), (259, 3, 1, 8 if packed else 1),
            (262, 3, 1, 1 if samples == 1 else 2), (277, 3, 1, samples), (322, 3, 1, side), (323, 3, 1, side),
            (324, 4, len(tiles), offsets_at), (325, 4, len(tiles), sizes_at)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + b"\0" * 4
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


files["tiles.tiff"] = tiled("RGB", 37, 21, 16, packed=False)
files["tiles_grey.tiff"] = tiled("L", 37, 21, 16, packed=True)


def digest(image):
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


expected = {}
folder.mkdir(exist_ok=True)
for old in folder.iterdir():
    old.unlink()
for name, data in files.items():
    image = Image.open(io.BytesIO(data))
    frames = []
    for frame in ImageSequence.Iterator(image):
        upright = ImageOps.exif_transpose(frame)
        frames.append({"size": list(upright.size), "mode": upright.mode, "rgb": digest(upright.convert("RGB")),
                       "rgba": digest(upright.convert("RGBA")), "first": list(upright.convert("RGBA").getpixel((0, 0)))})
        if name.endswith(".jpg") or name == "jpeg.tiff":
            frames[-1]["rgb_pixels"] = upright.convert("RGB").tobytes().hex()
    (folder / name).write_bytes(data)
    expected[name] = frames
scaled = []
for name, size in [("c2_8.png", (5, 3)), ("c2_8.png", (23, 40)), ("c6_8.png", (11, 2)), ("c0_8.png", (1, 1)),
                   ("c4_8.png", (30, 7)), ("L_progressive.jpg", (7, 50)), ("RGB_progressive.jpg", (13, 11))]:
    image = Image.open(io.BytesIO(files[name]))
    # each channel by itself: Pillow multiplies alpha in before it scales, which ComfyUI's callers never ask for
    bands = [band.resize(size, Image.Resampling.BILINEAR) for band in image.split()]
    scaled.append({"name": name, "size": list(size), "pixels": Image.merge(image.mode, bands).tobytes().hex()})
(here / "scaled.json").write_text(json.dumps(scaled, indent=0))
(here / "pictures.json").write_text(json.dumps(expected, indent=0))
print(len(files), "pictures,", sum(map(len, files.values())), "bytes")
