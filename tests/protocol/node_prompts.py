# SPDX-License-Identifier: GPL-3.0-or-later
"""For every class of node in /object_info a small prompt that runs it, as far as its inputs can be made here."""

CHECKPOINT = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "comfyui-demo.safetensors"}}
# What gives a value of a type: nodes by name, and the link to it.
SOURCES = {
    "IMAGE": ({"image": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 7}}}, ["image", 0]),
    "MASK": ({"mask": {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 16, "height": 16}}}, ["mask", 0]),
    "LATENT": ({"latent": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}}, ["latent", 0]),
    "MODEL": ({"checkpoint": CHECKPOINT}, ["checkpoint", 0]),
    "CLIP": ({"checkpoint": CHECKPOINT}, ["checkpoint", 1]),
    "VAE": ({"checkpoint": CHECKPOINT}, ["checkpoint", 2]),
    "CONDITIONING": ({"checkpoint": CHECKPOINT, "text": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["checkpoint", 1], "text": "x"}}}, ["text", 0]),
    "SIGMAS": ({"sigmas": {"class_type": "KarrasScheduler", "inputs": {"steps": 1, "sigma_max": 10, "sigma_min": 1, "rho": 7}}}, ["sigmas", 0]),
    "SAMPLER": ({"sampler": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}}}, ["sampler", 0]),
    "NOISE": ({"noise": {"class_type": "RandomNoise", "inputs": {"noise_seed": 1}}}, ["noise", 0]),
    "AUDIO": ({"audio": {"class_type": "EmptyAudio", "inputs": {"duration": 0.01, "sample_rate": 8000, "channels": 1}}}, ["audio", 0]),
    "*": ({"image": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 7}}}, ["image", 0]),
}
# Steps and sizes that a default makes too large for a test.
SMALL = {"steps": 1, "width": 16, "height": 16, "batch_size": 1, "duration": 0.01}


def value_of(name, shown):
    """A literal for an input as /object_info shows it; nothing when there is none."""
    kind, options = shown[0], shown[1] if len(shown) > 1 else {}
    choices = kind if isinstance(kind, list) else options.get("options", []) if kind == "COMBO" else None
    if choices is not None:
        return choices[0] if choices else "none"
    if kind in ("INT", "FLOAT") and name in SMALL:
        return max(SMALL[name], options.get("min", SMALL[name]))
    return options.get("default", {"INT": 1, "FLOAT": 1.0, "STRING": "x", "BOOLEAN": True}.get(kind))


def prompt_for(name, entry):
    """The prompt; inputs for which nothing is at hand are left out, so that it is refused."""
    nodes, inputs = {}, {}
    for wanted, shown in entry["input"].get("required", {}).items():
        if isinstance(shown[0], str) and shown[0] in SOURCES:
            more, link = SOURCES[shown[0]]
            nodes |= more
            inputs[wanted] = link
        elif (value := value_of(wanted, shown)) is not None:
            inputs[wanted] = value
    nodes["node"] = {"class_type": name, "inputs": inputs}
    if not entry["output_node"] and entry["output"]:
        nodes["shown"] = {"class_type": "PreviewAny", "inputs": {"source": ["node", 0]}}
    return nodes
