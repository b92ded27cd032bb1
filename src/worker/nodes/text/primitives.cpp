// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/coerce.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/text/register.h"
#include "worker/nodes/text/tensor_text.h"

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_primitive";
constexpr const char* kCategory = "utils/primitive";
constexpr std::int64_t kMost = 9223372036854775807;

struct PrimitiveString {
  struct In {
    std::string value;
  };
  struct Out {
    std::string value;
  };

  static auto spec() {
    return node<PrimitiveString>("PrimitiveString", kCategory)
        .display("String")
        .module(kModule)
        .schema()
        .in("value", &In::value, {.multiline = false})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

struct PrimitiveStringMultiline {
  using In = PrimitiveString::In;
  using Out = PrimitiveString::Out;

  static auto spec() {
    return node<PrimitiveStringMultiline>("PrimitiveStringMultiline", kCategory)
        .display("String (Multiline)")
        .module(kModule)
        .schema()
        .in("value", &In::value, {.multiline = true})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

struct PrimitiveInt {
  struct In {
    std::int64_t value = 0;
  };
  struct Out {
    std::int64_t value = 0;
  };

  static auto spec() {
    return node<PrimitiveInt>("PrimitiveInt", kCategory)
        .display("Int")
        .module(kModule)
        .schema()
        .in("value", &In::value,
            {.min = -kMost, .max = kMost, .control_after_generate = true, .show_default = false})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

struct PrimitiveFloat {
  struct In {
    double value = 0;
  };
  struct Out {
    double value = 0;
  };

  static auto spec() {
    return node<PrimitiveFloat>("PrimitiveFloat", kCategory)
        .display("Float")
        .module(kModule)
        .schema()
        .in("value", &In::value,
            {.show_default = false, .extra = {{"min", -kMost}, {"max", kMost}}})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

struct PrimitiveBoolean {
  struct In {
    bool value = false;
  };
  struct Out {
    bool value = false;
  };

  static auto spec() {
    return node<PrimitiveBoolean>("PrimitiveBoolean", kCategory)
        .display("Boolean")
        .module(kModule)
        .schema()
        .in("value", &In::value, {.show_default = false})
        .out(&Out::value);
  }

  static Out run(const In& in) { return {in.value}; }
};

/// Shows whatever comes along as text.
struct PreviewAny {
  struct In {
    engine::Any source;
  };
  struct Out {
    engine::Ui ui;
  };

  static auto spec() {
    return node<PreviewAny>("PreviewAny", "utils")
        .display("Preview Any")
        .module("comfy_extras.nodes_preview_any")
        .in("source", &In::source, {.show_empty = true})
        .as_output_node();
  }

  static Out run(const In& in) {
    Out out;
    out.ui.add("text", text_of(in.source));
    return out;
  }

  static std::string text_of(const engine::Any& value) {
    if (value.is_null()) return "None";
    if (const auto* image = value.get<Image>()) return tensor_text(image->pixels);
    if (const auto* mask = value.get<Mask>()) return tensor_text(mask->values);
    if (const auto* latent = value.get<Latent>()) return latent_text(*latent);
    const Json* json = value.json();
    if (json && (json->is_array() || json->is_object())) return to_json(*json);
    return graph::python_str(json ? *json : value.describe());
  }

  /// As the dictionary that it is in ComfyUI.
  static std::string latent_text(const Latent& latent) {
    std::string text = "{'samples': " + tensor_text(latent.samples);
    if (latent.noise_mask.defined()) text += ", 'noise_mask': " + tensor_text(latent.noise_mask);
    if (!latent.batch_index.empty()) {
      std::string numbers;
      for (const std::int64_t index : latent.batch_index)
        numbers += (numbers.empty() ? "" : ", ") + std::to_string(index);
      text += ", 'batch_index': [" + numbers + "]";
    }
    return text + "}";
  }
};

}  // namespace

void register_primitives(engine::Registry& registry) {
  registry.add<PreviewAny>();
  registry.add<PrimitiveString>();
  registry.add<PrimitiveStringMultiline>();
  registry.add<PrimitiveInt>();
  registry.add<PrimitiveFloat>();
  registry.add<PrimitiveBoolean>();
}

}  // namespace comfy::nodes
