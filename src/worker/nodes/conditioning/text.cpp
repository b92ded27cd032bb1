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

/// What a network is told besides the text, by name.
using Numbers = std::initializer_list<std::pair<const char*, double>>;

/// The encodings of a tokenized prompt with those numbers.
Conditioning encoded_with(const models::TextEncoder& encoder, const models::TokenizedPrompt& tokens,
                          const Clip& clip, const Numbers& numbers) {
  const models::TextEncoding encoding = encoder.encode(tokens, clip.stop_at_layer());
  conditioning::Entry entry{.cond = encoding.cond, .pooled = encoding.pooled};
  for (const auto& [name, number] : numbers) entry.fields.insert_or_assign(name, number);
  return {std::move(entry)};
}

struct CLIPTextEncodeSDXL {
  struct In {
    Clip clip;
    int width = 1024;
    int height = 1024;
    int crop_w = 0;
    int crop_h = 0;
    int target_width = 1024;
    int target_height = 1024;
    std::string text_g;
    std::string text_l;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<CLIPTextEncodeSDXL>("CLIPTextEncodeSDXL", "advanced/conditioning")
        .module("comfy_extras.nodes_clip_sdxl")
        .schema()
        .in("clip", &In::clip)
        .in("width", &In::width, {.min = 0, .max = kMaxSide})
        .in("height", &In::height, {.min = 0, .max = kMaxSide})
        .in("crop_w", &In::crop_w, {.min = 0, .max = kMaxSide})
        .in("crop_h", &In::crop_h, {.min = 0, .max = kMaxSide})
        .in("target_width", &In::target_width, {.min = 0, .max = kMaxSide})
        .in("target_height", &In::target_height, {.min = 0, .max = kMaxSide})
        .in("text_g", &In::text_g, {.multiline = true, .dynamic_prompts = true})
        .in("text_l", &In::text_l, {.multiline = true, .dynamic_prompts = true})
        .out(&Out::conditioning);
  }

  static Out run(const In& in, engine::Context& context) {
    const auto encoder = resident(in.clip, context.services());
    models::TokenizedPrompt tokens = encoder->tokenize(in.text_g);
    models::TokenizedPrompt small = encoder->tokenize(in.text_l);
    if (!tokens.contains("g") || !small.contains("l"))
      throw Error(Error::Kind::invalid_input,
                  "expected the text encoders of an SDXL model, got those of another family");
    tokens["l"] = std::move(small["l"]);
    models::TokenChunks &l = tokens["l"], &g = tokens["g"];
    const models::TokenizedPrompt empty = encoder->tokenize("");
    while (l.size() < g.size()) l.push_back(empty.at("l").front());
    while (g.size() < l.size()) g.push_back(empty.at("g").front());
    return {encoded_with(*encoder, tokens, in.clip,
                         {{"width", in.width},
                          {"height", in.height},
                          {"crop_w", in.crop_w},
                          {"crop_h", in.crop_h},
                          {"target_width", in.target_width},
                          {"target_height", in.target_height}})};
  }
};

struct CLIPTextEncodeSDXLRefiner {
  struct In {
    double ascore = 6.0;
    int width = 1024;
    int height = 1024;
    std::string text;
    Clip clip;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<CLIPTextEncodeSDXLRefiner>("CLIPTextEncodeSDXLRefiner", "advanced/conditioning")
        .module("comfy_extras.nodes_clip_sdxl")
        .schema()
        .in("ascore", &In::ascore, {.min = 0.0, .max = 1000.0, .step = 0.01})
        .in("width", &In::width, {.min = 0, .max = kMaxSide})
        .in("height", &In::height, {.min = 0, .max = kMaxSide})
        .in("text", &In::text, {.multiline = true, .dynamic_prompts = true})
        .in("clip", &In::clip)
        .out(&Out::conditioning);
  }

  static Out run(const In& in, engine::Context& context) {
    const auto encoder = resident(in.clip, context.services());
    return {
        encoded_with(*encoder, encoder->tokenize(in.text), in.clip,
                     {{"aesthetic_score", in.ascore}, {"width", in.width}, {"height", in.height}})};
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
  registry.add<CLIPTextEncodeSDXL>();
  registry.add<CLIPTextEncodeSDXLRefiner>();
}

}  // namespace comfy::nodes
