# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains a small LoRA for the demonstration model: its pictures in blue ink. See README.md.

usage: train_lora.py --folder STATE --vocabulary bpe_simple_vocab_16e6.txt.gz --out FILE.safetensors
"""
import argparse
import json

import torch
from torch import nn
from torch.nn.utils import parametrize

from autoencoder import Autoencoder
from export import write_safetensors
from progress import Run
from train import (LATENT_SCALE, Captions, Denoiser, arguments, encode_all, means, state_file, train_denoiser,
                   training_set)

RANK = 4


def in_ink(pixels):
    """[N, 3, H, W] bytes in shades from dark blue to white, as light as they were."""
    light = (pixels.float() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True) / 255
    ink = torch.tensor([20.0, 50.0, 140.0]).view(1, 3, 1, 1)
    return (ink + (255 - ink) * light).round().to(torch.uint8)


class LowRank(nn.Module):
    """Adds up x down to a weight (arXiv:2106.09685); down: [RANK, inputs x kernel], up: [outputs, RANK]."""

    def __init__(self, weight):
        super().__init__()
        self.down = nn.Parameter(torch.randn(RANK, weight[0].numel()) / weight[0].numel() ** 0.5)
        self.up = nn.Parameter(torch.zeros(len(weight), RANK))

    def forward(self, weight):
        return weight + (self.up @ self.down).view_as(weight)


def adapt(network):
    """Name -> LowRank of every linear and convolution; nothing else of the network is trained from here on."""
    network.requires_grad_(False)
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))}
    made = {}
    for name, layer in layers.items():
        made[name] = LowRank(layer.weight)
        parametrize.register_parametrization(layer, "weight", made[name])
    return made


def tensors(made, network):
    """As kohya's scripts name and shape them."""
    result = {}
    for name, pair in made.items():
        weight = network.get_submodule(name).parametrizations.weight.original
        key, kernel = "lora_unet_" + name.replace(".", "_"), weight.shape[1:]
        result[f"{key}.lora_down.weight"] = pair.down.detach().view(RANK, *kernel).half()
        up = pair.up.detach().half()
        result[f"{key}.lora_up.weight"] = up if weight.dim() == 2 else up[:, :, None, None]
        result[f"{key}.alpha"] = torch.tensor(float(RANK)).half()
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=8)
    args = arguments(parser)
    pictures, pixels = training_set(args)
    captions = Captions(pictures, args.vocabulary)

    def trained(model, name):
        model.load_state_dict(torch.load(state_file(args, name), weights_only=True)["smooth"])
        return model.eval()
    autoencoder, model = trained(Autoencoder(), "autoencoder"), trained(Denoiser(len(captions.used)), "denoiser")
    encode_all(autoencoder, pixels)  # brings it to the scale of the checkpoint
    latents = LATENT_SCALE * means(autoencoder, in_ink(pixels))
    model.text.requires_grad_(False)
    made = adapt(model.unet)
    run = Run(state_file(args, "lora"), model,
              torch.optim.AdamW([p for pair in made.values() for p in pair.parameters()], lr=3e-3, weight_decay=0.0),
              60 * args.minutes, args.steps)
    train_denoiser(model, latents, captions, run)
    write_safetensors(args.out, tensors(made, model.unet), {"ss_network_dim": str(RANK), "ss_network_alpha": str(RANK)})
    print(json.dumps({"steps": run.step, "minutes": run.spent / 60, "loss": run.average}))


if __name__ == "__main__":
    main()
