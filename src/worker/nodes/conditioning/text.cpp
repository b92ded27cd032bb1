// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/conditioning/register.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/resident.h"

namespace comfy::nodes {
namespace {

using engine::node;

struct CLIPTextEncode {
  struct In {
    std::string text;
    Clip clip;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<CLIPTextEncode>("CLIPTextEncode", "conditioning")
        .display("CLIP Text Encode (Prompt)")
        .doc("Turns a text into what guides the diffusion network towards a picture of it.")
        .in("text", &In::text,
            {.multiline = true, .dynamic_prompts = true, .tooltip = "The prompt."})
        .in("clip", &In::clip, {.tooltip = "The text encoder that reads the prompt."})
        .out(&Out::conditioning,
             {.tooltip = "The prompt as the diffusion network understands it."});
  }

  static Out run(const In& in, engine::Context& context) {
    const auto encoder = resident(in.clip, context.services());
    const models::TextEncoding encoding =
        encoder->encode(encoder->tokenize(in.text), in.clip.stop_at_layer());
    return {{{.cond = encoding.cond, .pooled = encoding.pooled}}};
  }
};

struct CLIPSetLastLayer {
  struct In {
    Clip clip;
    int stop_at_clip_layer = -1;
  };
  struct Out {
    Clip clip;
  };

  static auto spec() {
    return node<CLIPSetLastLayer>("CLIPSetLastLayer", "conditioning")
        .display("CLIP Set Last Layer")
        .in("clip", &In::clip)
        .in("stop_at_clip_layer", &In::stop_at_clip_layer, {.min = -24, .max = -1, .step = 1})
        .out(&Out::clip);
  }

  static Out run(const In& in) { return {in.clip.with_layer(in.stop_at_clip_layer)}; }
};

}  // namespace

void register_text_encoding(engine::Registry& registry) {
  registry.add<CLIPTextEncode>();
  registry.add<CLIPSetLastLayer>();
}

}  // namespace comfy::nodes
