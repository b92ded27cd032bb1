# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the demonstration model. See README.md.

usage: train.py --folder STATE --vocabulary bpe_simple_vocab_16e6.txt.gz --out FILE.safetensors
"""
import argparse
import json
import random
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

import data
from autoencoder import Autoencoder, standardize
from export import write_checkpoint
from progress import Run
from text_encoder import TextEncoder
from tokenizer import Tokenizer
from unet import UNet

LATENT_SCALE = 0.18215
SEED = 1


def sigmas():
    """SD1's 1000 noise levels: square roots of beta evenly spaced from 0.00085 to 0.012."""
    beta = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float64) ** 2
    kept = torch.cumprod(1 - beta, 0)
    return kept.sqrt().float(), (1 - kept).sqrt().float()


def load_pictures(folder, count=None):
    """All pictures, or the first `count`, and their pixels; drawn once."""
    everything = data.pictures(folder)[:count]
    cached = folder / f"pixels_{data.SIDE}_{len(everything)}.pt"
    if not cached.exists():
        print(f"drawing {len(everything)} pictures", flush=True)
        torch.save(data.render(folder, everything), cached)
    return everything, torch.load(cached, weights_only=True)


def edges(x):
    return torch.cat(((x[..., 1:] - x[..., :-1]).flatten(1), (x[..., 1:, :] - x[..., :-1, :]).flatten(1)), 1)


def picture_loss(made, wanted):
    """Difference of pixels, of edges, and of the pictures at a half, a quarter and an eighth of the size.

    The eighth has one pixel per latent: its weight is meant to get the colours of areas into the latents.
    """
    loss = functional.l1_loss(made, wanted) + 0.5 * functional.l1_loss(edges(made), edges(wanted))
    loss = loss + functional.mse_loss(made, wanted)
    for size, weight in ((2, 0.5), (4, 0.5), (8, 1.0)):
        smaller = [functional.avg_pool2d(picture, size) for picture in (made, wanted)]
        loss = loss + weight * functional.l1_loss(*smaller)
    return loss


def augment(x):
    """Mirrors half of the pictures."""
    return torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)


def train_autoencoder(pixels, path, args):
    model = Autoencoder()
    run = Run(path, model, torch.optim.AdamW(model.parameters(), lr=1.5e-3, betas=(0.9, 0.99), weight_decay=0.0),
              60 * args.autoencoder_minutes, args.steps)
    while run.going():
        x = augment(pixels[torch.randint(len(pixels), (16,))].float() / 127.5 - 1)
        with torch.autocast("cpu", torch.bfloat16):
            mean, spread = model.encode(x)
            spread = spread.clamp(-12, 2)
            z = mean + torch.exp(0.5 * spread) * torch.randn_like(mean)
            made = model.decode(z).float()
        divergence = 0.5 * (mean.float() ** 2 + spread.float().exp() - 1 - spread.float()).mean()
        loss = picture_loss(made, x) + 2e-4 * divergence
        run.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        run.optimizer.step()
        run.took(loss.item(), 0.998)
    model.load_state_dict(run.smooth)
    return model.eval(), run


@torch.no_grad()
def means(model, pixels):
    """[N, 3, H, W] bytes -> [N, 4, H/8, W/8]."""
    return torch.cat([model.encode(part.float() / 127.5 - 1)[0] for part in pixels.split(64)])


def encode_all(model, pixels):
    """[N, 4, 8, 8] latents times LATENT_SCALE, after changing the model so that they have mean 0 and deviation 1."""
    standardize(model, means(model, pixels), LATENT_SCALE)
    return LATENT_SCALE * means(model, pixels)


class Captions:
    """Ids of random captions over a vocabulary of just the tokens that occur."""

    def __init__(self, pictures, vocabulary):
        tokenizer, source = Tokenizer(vocabulary), random.Random(SEED)
        lists = [[tokenizer(data.caption(picture, source)) for _ in range(24)] for picture in pictures]
        self.empty = tokenizer("")
        self.used = sorted({i for several in lists for ids in several for i in ids} | set(self.empty))
        place = {token: i for i, token in enumerate(self.used)}
        self._ids = torch.tensor([[[place[i] for i in ids] for ids in several] for several in lists])
        self._none = torch.tensor([place[i] for i in self.empty])
        # What people ask for: short names, four times as often as others.
        self._often = torch.tensor([4.0 if picture.name.count(" ") < 2 else 1.0 for picture in pictures])

    def rows(self, count):
        """[count] pictures to train with."""
        return torch.multinomial(self._often, count, replacement=True)

    def draw(self, rows, dropout):
        """[B, 77]; a share `dropout` of them is the empty caption, for guidance without a classifier."""
        ids = self._ids[rows, torch.randint(self._ids.shape[1], rows.shape)]
        return torch.where(torch.rand(len(rows), 1) < dropout, self._none, ids)


class Denoiser(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.unet, self.text = UNet(), TextEncoder(rows)


class NoiseLoss:
    """Draws noised latents and says how far the predicted noise is from what was added."""

    def __init__(self):
        self.keep, self.noise_level = sigmas()
        ratio = (self.keep / self.noise_level).square()
        self.weight = ratio.clamp(max=5) / ratio  # arXiv:2303.09556

    def __call__(self, model, x, ids):
        t, noise = torch.randint(1000, (len(x),)), torch.randn_like(x)
        noised = self.keep[t].view(-1, 1, 1, 1) * x + self.noise_level[t].view(-1, 1, 1, 1) * noise
        with torch.autocast("cpu", torch.bfloat16):
            made = model.unet(noised, t, model.text(ids)).float()
        return ((made - noise).square().mean((1, 2, 3)) * self.weight[t]).mean()


def train_denoiser(model, latents, captions, run):
    """model: a Denoiser; run: its Run, whose optimizer says what of it is trained."""
    noise_loss = NoiseLoss()
    while run.going():
        rows = captions.rows(64)
        loss = noise_loss(model, latents[rows], captions.draw(rows, 0.1))
        run.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for group in run.optimizer.param_groups for p in group["params"]], 1.0)
        run.optimizer.step()
        run.took(loss.item(), 0.9995)
    model.load_state_dict(run.smooth)
    return model.eval()


def training_set(args):
    """The pictures that are not held back and their pixels; in a smoke test 40 of them."""
    everything, pixels = load_pictures(args.folder, 300 if args.smoke else None)
    hidden = {(picture.name, picture.style) for picture in data.held_back(everything)}
    kept = [i for i, picture in enumerate(everything) if (picture.name, picture.style) not in hidden]
    if args.smoke:
        kept = kept[:40]
    return [everything[i] for i in kept], pixels[kept]


def state_file(args, name):
    """Where a part's training keeps its state."""
    return args.folder / f"{'smoke_' if args.smoke else ''}{name}.pt"


def arguments(parser):
    """What every training program takes; sets PyTorch up."""
    parser.add_argument("--folder", type=Path, required=True, help="state; npm has installed package.json there")
    parser.add_argument("--vocabulary", type=Path, required=True, help="bpe_simple_vocab_16e6.txt.gz")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="a few steps on few pictures, to see that all parts work")
    args = parser.parse_args()
    args.steps = 3 if args.smoke else None
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    return args


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--autoencoder-minutes", type=float, default=40)
    parser.add_argument("--unet-minutes", type=float, default=90)
    args = arguments(parser)
    pictures, pixels = training_set(args)
    autoencoder, first = train_autoencoder(pixels, state_file(args, "autoencoder"), args)
    latents = encode_all(autoencoder, pixels)
    captions = Captions(pictures, args.vocabulary)
    denoiser = Denoiser(len(captions.used))
    second = Run(state_file(args, "denoiser"), denoiser,
                 torch.optim.AdamW(denoiser.parameters(), lr=1.5e-3, betas=(0.9, 0.99), weight_decay=0.01),
                 60 * args.unet_minutes, args.steps)
    denoiser = train_denoiser(denoiser, latents, captions, second)
    write_checkpoint(args.out, autoencoder, denoiser, captions.used)
    print(json.dumps({"pictures": len(pictures), "seed": SEED,
                      "autoencoder": {"steps": first.step, "minutes": first.spent / 60, "loss": first.average},
                      "denoiser": {"steps": second.step, "minutes": second.spent / 60, "loss": second.average}}))


if __name__ == "__main__":
    main()
