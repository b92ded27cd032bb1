#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI's side of a paired benchmark: the same call on the same inputs, one sample for each line "sample".

usage: comfyui.py unet_step|vae_decode|text_encode COMFYUI_FOLDER [ATTENTION_FLAG]
Environment: CHECKPOINT, SIDE, OMP_NUM_THREADS. ComfyUI runs from its own folder, with its own packages.
"""
import importlib.util
import json
import os
import resource
import sys
import time
import unittest.mock

question, folder, *flags = sys.argv[1:]
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what ComfyUI prints is no answer
sys.argv = ["main.py", "--cpu", *filter(None, flags)]
sys.path.insert(0, folder)
if importlib.util.find_spec("torchvision") is None:  # only audio models and Stable Cascade want it
    import transformers  # noqa: F401  looks for torchvision itself, before there is a stand-in
    sys.modules |= {name: unittest.mock.MagicMock() for name in ("torchvision", "torchvision.transforms")}

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
import torch  # noqa: E402

if threads := os.environ.get("OMP_NUM_THREADS"):
    torch.set_num_threads(int(threads))
import comfy.model_management  # noqa: E402
import comfy.sd  # noqa: E402

SIDE = int(os.environ.get("SIDE", "64"))


def call_of(name):
    """The measured call; the same numbers go in as in our program of that name."""
    model, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(os.environ["CHECKPOINT"])
    generator = torch.Generator().manual_seed(1)
    if name == "unet_step":
        comfy.model_management.load_models_gpu([model])
        network = model.model.diffusion_model
        x = torch.randn(2, 4, SIDE, SIDE, generator=generator)
        context = torch.randn(2, 77, 768, generator=generator)
        timestep = torch.full((2,), 500.0)
        return f"sd15_{SIDE * 8}_b2_f32", lambda: network(x, timestep, context=context)
    if name == "vae_decode":
        latent = torch.randn(1, 4, SIDE, SIDE, generator=generator)
        return f"sd15_{SIDE * 8}_f32", lambda: vae.first_stage_model.decode(latent)
    encode = lambda text: clip.encode_from_tokens(clip.tokenize(text))  # noqa: E731
    return "sd15_two_prompts", lambda: torch.cat([encode("a photo of a cat"), encode("blurry")])


def version():
    spec = importlib.util.find_spec("comfyui_version")
    return importlib.import_module("comfyui_version").__version__ if spec else None


def tell(answer):
    print(json.dumps(answer), file=answers, flush=True)


def cpu_and_faults():
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime, use.ru_minflt


with torch.inference_mode():
    case, call = call_of(question)
    call()
    tell({"case": case, "threads": torch.get_num_threads(), "version": version()})
    for line in sys.stdin:
        if line.startswith("output "):
            call().float().contiguous().numpy().tofile(line[7:].rstrip("\n"))
            tell({})
            continue
        cpu, faults = cpu_and_faults()
        begin = time.perf_counter()
        call()
        seconds = time.perf_counter() - begin
        after, faults_after = cpu_and_faults()
        tell({"seconds": seconds, "cpu_seconds": after - cpu, "page_faults": faults_after - faults})
