# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's text encoder with the module names of its checkpoints, small.

Source: Radford et al. 2021 (arXiv:2103.00020). Ids [B, 77] to states [B, 77, WIDTH] after the last norm.
"""
import torch
from torch import nn
from torch.nn import functional

from attention import attend

WIDTH, HEADS, LAYERS = 64, 4, 2


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x):
        q, k, v = (part(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
                   for part in (self.q_proj, self.k_proj, self.v_proj))
        h = attend(q, k, v, causal=True)
        return self.out_proj(h.transpose(1, 2).flatten(2))


class Feedforward(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.self_attn, self.mlp = SelfAttention(), Feedforward()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class TextEncoder(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.embeddings, self.encoder = nn.Module(), nn.Module()
        self.embeddings.token_embedding = nn.Embedding(rows, WIDTH)
        self.embeddings.position_embedding = nn.Embedding(77, WIDTH)
        nn.init.normal_(self.embeddings.token_embedding.weight, std=0.3)
        nn.init.normal_(self.embeddings.position_embedding.weight, std=0.1)
        self.encoder.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.final_layer_norm = nn.LayerNorm(WIDTH)

    def forward(self, ids):
        tokens = self.embeddings.token_embedding
        # Rounded as they are stored, gradients as if not.
        stored = tokens.weight.detach().to(torch.float8_e4m3fn).float()
        table = tokens.weight + (stored - tokens.weight).detach()
        x = functional.embedding(ids, table) + self.embeddings.position_embedding.weight
        for layer in self.encoder.layers:
            x = layer(x)
        return self.final_layer_norm(x)
