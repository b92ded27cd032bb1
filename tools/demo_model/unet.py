# SPDX-License-Identifier: GPL-3.0-or-later
"""The denoising network of Stable Diffusion 1.x, with the module names of its checkpoints, small.

Source: Rombach et al. 2022 (arXiv:2112.10752). x: [B, 4, h, w], t: [B] steps 0..999, context: [B, 77, D].
"""
import math

import torch
from torch import nn
from torch.nn import functional

from attention import attend

WIDTHS, HEADS, CONTEXT = (128, 128), 4, 64


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(32, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * WIDTHS[0], outputs))
        last = nn.Conv2d(outputs, outputs, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.out_layers = nn.Sequential(nn.GroupNorm(32, outputs), nn.SiLU(), nn.Identity(), last)
        self.skip_connection = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, embedding, context):
        h = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Attention(nn.Module):
    def __init__(self, width, context):
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = nn.Linear(context, width, bias=False), nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x, context):
        q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2)
                   for part in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out(attend(q, k, v).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class TransformerBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1, self.attn2 = Attention(width, width), Attention(width, CONTEXT)
        self.ff = nn.Module()
        self.ff.net = nn.Sequential(Gated(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x, context):
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff.net(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width)])

    def forward(self, x, embedding, context):
        h = self.proj_in(self.norm(x)).flatten(2).transpose(1, 2)
        h = self.transformer_blocks[0](h, context)
        return x + self.proj_out(h.transpose(1, 2).reshape(x.shape))


class Resample(nn.Module):
    """Halves or doubles the size; its convolution is called `op` or `conv`."""

    def __init__(self, width, name):
        super().__init__()
        self.name = name
        self.add_module(name, nn.Conv2d(width, width, 3, stride=2 if name == "op" else 1, padding=1))

    def forward(self, x, embedding, context):
        if self.name == "conv":
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        return self.get_submodule(self.name)(x)


class Stem(nn.Conv2d):
    def forward(self, x, embedding, context):
        return super().forward(x)


def timestep_embedding(t, width):
    """[B, width]: cosines, then sines."""
    frequencies = torch.exp(-math.log(10000) * torch.arange(width // 2) / (width // 2))
    angles = t[:, None].float() * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=1)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        wide, deep = WIDTHS
        self.time_embed = nn.Sequential(nn.Linear(wide, 4 * wide), nn.SiLU(), nn.Linear(4 * wide, 4 * wide))
        blocks = nn.ModuleList
        self.input_blocks = blocks([
            blocks([Stem(4, wide, 3, padding=1)]),
            blocks([ResBlock(wide, wide), Transformer(wide)]),
            blocks([Resample(wide, "op")]),
            blocks([ResBlock(wide, deep)])])
        self.middle_block = blocks([ResBlock(deep, deep), Transformer(deep), ResBlock(deep, deep)])
        self.output_blocks = blocks([
            blocks([ResBlock(2 * deep, deep)]),
            blocks([ResBlock(deep + wide, deep), Resample(deep, "conv")]),
            blocks([ResBlock(deep + wide, wide), Transformer(wide)]),
            blocks([ResBlock(2 * wide, wide), Transformer(wide)])])
        self.out = nn.Sequential(nn.GroupNorm(32, wide), nn.SiLU(), nn.Conv2d(wide, 4, 3, padding=1))
        nn.init.zeros_(self.out[2].weight)

    def forward(self, x, t, context):
        embedding = self.time_embed(timestep_embedding(t, WIDTHS[0]))
        kept = []
        for block in self.input_blocks:
            for layer in block:
                x = layer(x, embedding, context)
            kept.append(x)
        for layer in self.middle_block:
            x = layer(x, embedding, context)
        for block in self.output_blocks:
            x = torch.cat((x, kept.pop()), dim=1)
            for layer in block:
                x = layer(x, embedding, context)
        return self.out(x)
