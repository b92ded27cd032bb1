# SPDX-License-Identifier: GPL-3.0-or-later
"""The KL autoencoder of latent diffusion, with the module names of its checkpoints.

Source: Rombach et al. 2022 (arXiv:2112.10752). Pictures [B, 3, H, W] in -1..1, latents [B, 4, H/8, W/8].
"""
import torch
from torch import nn
from torch.nn import functional

from attention import attend

LATENT = 4
# Widths of the levels, finest first. A norm has 32 groups: over 32 channels it takes every channel's mean away, and with
# it the colours of areas. On the way in they pass by the norms through the residuals; the last level of the way out,
# whose norm stands before the pixels, must be wider.
ENCODER, DECODER = (32, 64, 96, 96), (64, 64, 96, 96)
DECODER_BLOCKS = (1, 1, 2, 1)


def norm(width):
    return nn.GroupNorm(32, width, eps=1e-6)


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(functional.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        h = attend(q, k, v)
        return x + self.proj_out(h.transpose(1, 2).reshape(x.shape))


def middle(width):
    part = nn.Module()
    part.block_1, part.attn_1, part.block_2 = ResBlock(width, width), Attention(width), ResBlock(width, width)
    return part


def through(part, x):
    return part.block_2(part.attn_1(part.block_1(x)))


def level(widths, resample=None):
    part = nn.Module()
    part.block = nn.ModuleList(ResBlock(*pair) for pair in widths)
    if resample:
        name, stride = resample
        part.add_module(name, nn.Module())
        width = widths[-1][1]
        part.get_submodule(name).conv = nn.Conv2d(width, width, 3, stride=stride, padding=2 - stride)
    return part


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, ENCODER[0], 3, padding=1)
        inputs, last = (ENCODER[0], *ENCODER), ENCODER[-1]
        self.down = nn.ModuleList(level([(inputs[i], width)], ("downsample", 2) if i + 1 < len(ENCODER) else None)
                                  for i, width in enumerate(ENCODER))
        self.mid = middle(last)
        self.norm_out, self.conv_out = norm(last), nn.Conv2d(last, 2 * LATENT, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for part in self.down:
            x = part.block[0](x)
            if hasattr(part, "downsample"):
                x = part.downsample.conv(functional.pad(x, (0, 1, 0, 1)))
        return self.conv_out(functional.silu(self.norm_out(through(self.mid, x))))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        first = DECODER[-1]
        self.conv_in = nn.Conv2d(LATENT, first, 3, padding=1)
        self.mid = middle(first)
        inputs = (*DECODER[1:], first)
        self.up = nn.ModuleList(
            level([(inputs[i], width)] + [(width, width)] * (DECODER_BLOCKS[i] - 1), ("upsample", 1) if i else None)
            for i, width in enumerate(DECODER))
        self.norm_out, self.conv_out = norm(DECODER[0]), nn.Conv2d(DECODER[0], 3, 3, padding=1)

    def forward(self, z):
        x = through(self.mid, self.conv_in(z))
        for part in reversed(self.up):
            for block in part.block:
                x = block(x)
            if hasattr(part, "upsample"):
                x = part.upsample.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(functional.silu(self.norm_out(x)))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        self.quant_conv = nn.Conv2d(2 * LATENT, 2 * LATENT, 1)
        self.post_quant_conv = nn.Conv2d(LATENT, LATENT, 1)

    def encode(self, x):
        """Mean and log variance of the latents, each [B, 4, H/8, W/8]."""
        return self.quant_conv(self.encoder(x)).chunk(2, dim=1)

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))


@torch.no_grad()
def standardize(model, latents, scale=0.18215):
    """Changes the two 1x1 convolutions so that latents times `scale` have mean 0 and deviation 1.

    latents: [N, 4, h, w] means as the model gives them now. What it decodes stays the same.
    """
    mean, factor = latents.mean((0, 2, 3)), 1 / (scale * latents.std((0, 2, 3)))
    inward, outward = model.quant_conv, model.post_quant_conv
    outward.bias += (outward.weight[:, :, 0, 0] * mean).sum(1)
    outward.weight /= factor[None, :, None, None]
    inward.weight[:LATENT] *= factor[:, None, None, None]
    inward.bias[:LATENT] = (inward.bias[:LATENT] - mean) * factor
    inward.bias[LATENT:] += 2 * factor.log()
