# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a small checkpoint with random weights in the layout of Stable Diffusion 1.5.

usage: make_tiny_sd15.py FILE

It loads and runs as any checkpoint does; its pictures show nothing. Tests use it where a real one would be
too large. The same file comes out every time.
"""
import json
import math
import pathlib
import random
import struct
import sys

WIDTH, CONTEXT, VAE_WIDTH = 32, 64, 32
UNET_MULTIPLIERS, VAE_MULTIPLIERS, BLOCKS = (1, 1, 2, 2), (1, 1, 2, 2), 2
VOCABULARY, TOKENS, TEXT_LAYERS = 49408, 77, 2

tensors = {}


def weight(name, *shape):
    tensors[name] = ("weight", shape)


def norm(name, size):
    tensors[name + ".weight"] = ("one", (size,))
    tensors[name + ".bias"] = ("zero", (size,))


def layer(name, out, *rest, bias=True):
    weight(name + ".weight", out, *rest)
    if bias:
        tensors[name + ".bias"] = ("zero", (out,))


def unet_resblock(name, inputs, outputs):
    norm(name + ".in_layers.0", inputs)
    layer(name + ".in_layers.2", outputs, inputs, 3, 3)
    layer(name + ".emb_layers.1", outputs, 4 * WIDTH)
    norm(name + ".out_layers.0", outputs)
    layer(name + ".out_layers.3", outputs, outputs, 3, 3)
    if inputs != outputs:
        layer(name + ".skip_connection", outputs, inputs, 1, 1)


def unet_transformer(name, size):
    norm(name + ".norm", size)
    layer(name + ".proj_in", size, size, 1, 1)
    block = name + ".transformer_blocks.0"
    for attention, context in (("attn1", size), ("attn2", CONTEXT)):
        layer(f"{block}.{attention}.to_q", size, size, bias=False)
        layer(f"{block}.{attention}.to_k", size, context, bias=False)
        layer(f"{block}.{attention}.to_v", size, context, bias=False)
        layer(f"{block}.{attention}.to_out.0", size, size)
    layer(block + ".ff.net.0.proj", 8 * size, size)
    layer(block + ".ff.net.2", size, 4 * size)
    for i in (1, 2, 3):
        norm(f"{block}.norm{i}", size)
    layer(name + ".proj_out", size, size, 1, 1)


def unet(prefix):
    layer(prefix + "time_embed.0", 4 * WIDTH, WIDTH)
    layer(prefix + "time_embed.2", 4 * WIDTH, 4 * WIDTH)
    layer(prefix + "input_blocks.0.0", WIDTH, 4, 3, 3)
    size, number, skips = WIDTH, 1, [WIDTH]
    last = len(UNET_MULTIPLIERS) - 1
    for level, multiplier in enumerate(UNET_MULTIPLIERS):
        for _ in range(BLOCKS):
            unet_resblock(f"{prefix}input_blocks.{number}.0", size, multiplier * WIDTH)
            size = multiplier * WIDTH
            if level < last:
                unet_transformer(f"{prefix}input_blocks.{number}.1", size)
            skips.append(size)
            number += 1
        if level < last:
            layer(f"{prefix}input_blocks.{number}.0.op", size, size, 3, 3)
            skips.append(size)
            number += 1
    unet_resblock(prefix + "middle_block.0", size, size)
    unet_transformer(prefix + "middle_block.1", size)
    unet_resblock(prefix + "middle_block.2", size, size)
    number = 0
    for level, multiplier in reversed(list(enumerate(UNET_MULTIPLIERS))):
        for i in range(BLOCKS + 1):
            unet_resblock(f"{prefix}output_blocks.{number}.0", size + skips.pop(), multiplier * WIDTH)
            size = multiplier * WIDTH
            if level < last:
                unet_transformer(f"{prefix}output_blocks.{number}.1", size)
            if level and i == BLOCKS:
                layer(f"{prefix}output_blocks.{number}.{2 if level < last else 1}.conv", size, size, 3, 3)
            number += 1
    norm(prefix + "out.0", size)
    layer(prefix + "out.2", 4, size, 3, 3)


def vae_resblock(name, inputs, outputs):
    norm(name + ".norm1", inputs)
    layer(name + ".conv1", outputs, inputs, 3, 3)
    norm(name + ".norm2", outputs)
    layer(name + ".conv2", outputs, outputs, 3, 3)
    if inputs != outputs:
        layer(name + ".nin_shortcut", outputs, inputs, 1, 1)


def vae_middle(prefix, size):
    vae_resblock(prefix + "mid.block_1", size, size)
    norm(prefix + "mid.attn_1.norm", size)
    for part in ("q", "k", "v", "proj_out"):
        layer(prefix + "mid.attn_1." + part, size, size, 1, 1)
    vae_resblock(prefix + "mid.block_2", size, size)


def autoencoder(prefix):
    sizes = [m * VAE_WIDTH for m in VAE_MULTIPLIERS]
    last = len(sizes) - 1
    down, up = prefix + "encoder.", prefix + "decoder."
    layer(down + "conv_in", VAE_WIDTH, 3, 3, 3)
    size = VAE_WIDTH
    for level, wanted in enumerate(sizes):
        for i in range(BLOCKS):
            vae_resblock(f"{down}down.{level}.block.{i}", size, wanted)
            size = wanted
        if level < last:
            layer(f"{down}down.{level}.downsample.conv", size, size, 3, 3)
    vae_middle(down, size)
    norm(down + "norm_out", size)
    layer(down + "conv_out", 8, size, 3, 3)
    layer(prefix + "quant_conv", 8, 8, 1, 1)
    layer(prefix + "post_quant_conv", 4, 4, 1, 1)
    layer(up + "conv_in", size, 4, 3, 3)
    vae_middle(up, size)
    for level, wanted in reversed(list(enumerate(sizes))):
        for i in range(BLOCKS + 1):
            vae_resblock(f"{up}up.{level}.block.{i}", size, wanted)
            size = wanted
        if level:
            layer(f"{up}up.{level}.upsample.conv", size, size, 3, 3)
    norm(up + "norm_out", size)
    layer(up + "conv_out", 3, size, 3, 3)


def text_encoder(prefix):
    weight(prefix + "embeddings.token_embedding.weight", VOCABULARY, CONTEXT)
    weight(prefix + "embeddings.position_embedding.weight", TOKENS, CONTEXT)
    for i in range(TEXT_LAYERS):
        name = f"{prefix}encoder.layers.{i}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            layer(name + "self_attn." + part, CONTEXT, CONTEXT)
        norm(name + "layer_norm1", CONTEXT)
        norm(name + "layer_norm2", CONTEXT)
        layer(name + "mlp.fc1", 4 * CONTEXT, CONTEXT)
        layer(name + "mlp.fc2", CONTEXT, 4 * CONTEXT)
    norm(prefix + "final_layer_norm", CONTEXT)


def values(kind, shape, source):
    count = math.prod(shape)
    if kind != "weight":
        return struct.pack("<e", 1.0 if kind == "one" else 0.0) * count
    # A long run of normal numbers, repeated from a random place: random enough, and quick to write.
    scale = 1 / math.sqrt(math.prod(shape[1:]))
    run = struct.pack("<4099e", *(source.gauss(0, scale) for _ in range(4099)))
    return (run * (count // 4099 + 1))[:2 * count]


def main(path):
    unet("model.diffusion_model.")
    autoencoder("first_stage_model.")
    text_encoder("cond_stage_model.transformer.text_model.")
    source, offset, header, parts = random.Random(15), 0, {}, []
    for name, (kind, shape) in tensors.items():
        data = values(kind, shape, source)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    temporary.rename(path)


main(pathlib.Path(sys.argv[1]))
