#!/usr/bin/env bash
# The whole training pipeline in a few steps, into a folder of its own; ends well when a checkpoint came out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source setup.sh
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
ln -s "$state/node_modules" "$folder/node_modules"
train() {
  "$state/venv/bin/python" "$1.py" --smoke --threads 1 --folder "$folder" \
    --vocabulary "${state%/demo_model}/vocab/bpe_simple_vocab_16e6.txt.gz" --out "$folder/$2.safetensors"
}
train train made
train train_lora lora
"$state/venv/bin/python" - "$folder/made.safetensors" "$folder/lora.safetensors" <<'PYTHON'
import json, struct, sys
with open(sys.argv[1], "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    rest = len(file.read())
assert json.loads(header.pop("__metadata__")["comfy.config"])["unet_heads"] == 4
assert max(entry["data_offsets"][1] for entry in header.values()) == rest
for part in ("cond_stage_model.transformer.text_model.final_layer_norm.bias", "model.diffusion_model.out.2.weight",
             "first_stage_model.decoder.conv_out.weight"):
    assert part in header, part
with open(sys.argv[2], "rb") as file:
    lora = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
assert lora["lora_unet_input_blocks_1_0_in_layers_2.lora_down.weight"]["shape"][0] == 4
PYTHON
# A second run goes on where the first stopped: it has nothing left to do and writes the same file.
before=$(sha256sum <"$folder/made.safetensors")
train train made
[ "$(sha256sum <"$folder/made.safetensors")" = "$before" ]
