# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what was trained: the parts as one Stable Diffusion 1.x checkpoint, a LoRA as a file of its own."""
import json
import struct

import torch

import text_encoder
import unet
from tokenizer import ROWS

# What shapes do not tell; the engine reads it from the file's metadata.
CONFIG = {"unet_heads": unet.HEADS, "clip_l_heads": text_encoder.HEADS}
_DTYPES = {torch.float16: "F16", torch.float8_e4m3fn: "F8_E4M3"}


def tensors(autoencoder, denoiser, used):
    """Name -> tensor. used: which of the vocabulary's rows the trained table holds, in its order."""
    result = {"first_stage_model." + name: value for name, value in autoencoder.state_dict().items()}
    result |= {"model.diffusion_model." + name: value for name, value in denoiser.unet.state_dict().items()}
    text = "cond_stage_model.transformer.text_model."
    result |= {text + name: value for name, value in denoiser.text.state_dict().items()}
    result = {name: value.half() for name, value in result.items()}
    table = torch.zeros(ROWS, text_encoder.WIDTH)
    table[used] = denoiser.text.embeddings.token_embedding.weight.detach()
    result[text + "embeddings.token_embedding.weight"] = table.to(torch.float8_e4m3fn)
    return result


def write_safetensors(path, values, metadata):
    """values: name -> tensor; metadata: name -> text."""
    header, parts, offset = {"__metadata__": {"format": "pt", **metadata}}, [], 0
    for name, value in values.items():
        parts.append(value.reshape(-1).view(torch.uint8).numpy().tobytes())
        header[name] = {"dtype": _DTYPES[value.dtype], "shape": list(value.shape),
                        "data_offsets": [offset, offset + len(parts[-1])]}
        offset += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    part.replace(path)


def write_checkpoint(path, autoencoder, denoiser, used):
    write_safetensors(path, tensors(autoencoder, denoiser, used), {"comfy.config": json.dumps(CONFIG)})
