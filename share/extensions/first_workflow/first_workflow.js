// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a new user sees: the classic text-to-image graph with the first checkpoint there is. The
// editor's own default graph needs models that few people have, so this replaces its content in
// place, before the editor loads it.
import { app } from "../../scripts/app.js";

const FALLBACK_CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors";

/** What the fields hold with a model of the usual size. */
const USUAL = {
  positive: "beautiful scenery nature glass bottle landscape, , purple galaxy bottle,",
  negative: "text, watermark",
  side: 512,
  cfg: 8,
};
/** The small model of tools/demo_model draws emoji. */
const DEMONSTRATION_CHECKPOINT = "comfyui-demo.safetensors";
const DEMONSTRATION = { positive: "a red apple, flat", negative: "", side: 64, cfg: 4 };

/** One node of a saved workflow. `inputs` maps names to link numbers, `outputs` to lists of them. */
function node(id, type, pos, size, inputs, outputs, widgets) {
  return {
    id,
    type,
    pos,
    size,
    flags: {},
    order: id,
    mode: 0,
    inputs: inputs.map(([name, kind, link]) => ({ name, type: kind, link })),
    outputs: outputs.map(([name, links], slot_index) => ({ name, type: name, links, slot_index })),
    properties: { "Node name for S&R": type },
    widgets_values: widgets,
  };
}

function textToImage(checkpoint, settings) {
  return {
    last_node_id: 9,
    last_link_id: 9,
    nodes: [
      node(4, "CheckpointLoaderSimple", [26, 474], [315, 98], [], [["MODEL", [1]], ["CLIP", [3, 5]], ["VAE", [8]]], [checkpoint]),
      node(6, "CLIPTextEncode", [415, 186], [423, 164], [["clip", "CLIP", 3]], [["CONDITIONING", [4]]], [settings.positive]),
      node(7, "CLIPTextEncode", [413, 389], [425, 180], [["clip", "CLIP", 5]], [["CONDITIONING", [6]]], [settings.negative]),
      node(5, "EmptyLatentImage", [473, 609], [315, 106], [], [["LATENT", [2]]], [settings.side, settings.side, 1]),
      node(3, "KSampler", [863, 186], [315, 262],
        [["model", "MODEL", 1], ["positive", "CONDITIONING", 4], ["negative", "CONDITIONING", 6], ["latent_image", "LATENT", 2]],
        [["LATENT", [7]]], [156680208700286, "randomize", 20, settings.cfg, "euler", "normal", 1]),
      node(8, "VAEDecode", [1209, 188], [210, 46], [["samples", "LATENT", 7], ["vae", "VAE", 8]], [["IMAGE", [9]]], []),
      node(9, "SaveImage", [1451, 189], [210, 58], [["images", "IMAGE", 9]], [], ["ComfyUI"]),
    ],
    links: [
      [1, 4, 0, 3, 0, "MODEL"],
      [2, 5, 0, 3, 3, "LATENT"],
      [3, 4, 1, 6, 0, "CLIP"],
      [4, 6, 0, 3, 1, "CONDITIONING"],
      [5, 4, 1, 7, 0, "CLIP"],
      [6, 7, 0, 3, 2, "CONDITIONING"],
      [7, 3, 0, 8, 0, "LATENT"],
      [8, 4, 2, 8, 1, "VAE"],
      [9, 8, 0, 9, 0, "IMAGE"],
    ],
    groups: [],
    config: {},
    extra: { ds: { scale: 0.9, offset: [20, 20] } },
    version: 0.4,
  };
}

/** Gives the editor's default graph another content; it holds on to the object, not to the content. */
function replaceDefaultGraph(graph) {
  const shown = window.comfyAPI?.defaultGraph?.defaultGraph;
  if (!shown) return;
  for (const key of Object.keys(shown)) delete shown[key];
  Object.assign(shown, graph);
}

replaceDefaultGraph(textToImage(FALLBACK_CHECKPOINT, USUAL));

app.registerExtension({
  name: "Comfy.Distributed.FirstWorkflow",
  beforeRegisterNodeDef(_type, definition) {
    if (definition.name !== "CheckpointLoaderSimple") return;
    const checkpoints = definition.input?.required?.ckpt_name?.[0];
    if (!checkpoints?.length) return;
    const onlyDemonstration = checkpoints.length === 1 && checkpoints[0] === DEMONSTRATION_CHECKPOINT;
    replaceDefaultGraph(textToImage(checkpoints[0], onlyDemonstration ? DEMONSTRATION : USUAL));
  },
});
