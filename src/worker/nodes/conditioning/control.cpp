// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "inference/conditioning/applied_control.h"
#include "inference/residency/residency.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/conditioning/control_port.h"
#include "worker/nodes/conditioning/register.h"
#include "worker/nodes/loaders/open.h"
#include "worker/nodes/ports.h"
#include "worker/nodes/resident.h"

#include <filesystem>
#include <map>

namespace comfy::nodes {
namespace {

using conditioning::Control;
using conditioning::ControlPooling;
using conditioning::ControlSettings;
using engine::Context;
using engine::ModelFile;
using engine::node;

ControlNet load(const std::string& name, Services& services) {
  const checkpoint::Weights weights =
      models::control::open_control_net(open_model_file("controlnet", name, services));
  // The files of this kind tell by their name alone that their residuals are averaged.
  const std::string stem = std::filesystem::path{name}.stem().string();
  const bool shuffles = stem.ends_with("_shuffle") || stem.ends_with("_shuffle_fp16");
  return {weights.with(checkpoint::Precision{.compute = services.precision.network}),
          shuffles ? ControlPooling::global_average : ControlPooling::none};
}

struct ControlNetLoader {
  struct In {
    ModelFile<"controlnet"> control_net_name;
  };
  struct Out {
    ControlNet control_net;
  };

  static auto spec() {
    return node<ControlNetLoader>("ControlNetLoader", "loaders")
        .display("Load ControlNet Model")
        .in("control_net_name", &In::control_net_name, {})
        .out(&Out::control_net);
  }

  static Out run(const In& in, Context& context) {
    return {load(in.control_net_name, context.services())};
  }
};

struct DiffControlNetLoader {
  struct In {
    Model model;
    ModelFile<"controlnet"> control_net_name;
  };
  struct Out {
    ControlNet control_net;
  };

  static auto spec() {
    return node<DiffControlNetLoader>("DiffControlNetLoader", "loaders")
        .display("Load ControlNet Model (diff)")
        .in("model", &In::model)
        .in("control_net_name", &In::control_net_name, {})
        .out(&Out::control_net);
  }

  static Out run(const In& in, Context& context) {
    return {load(in.control_net_name, context.services())};
  }
};

/// The network with a picture, not yet chained to another.
ControlSettings settings_of(const ControlNet& control, const Image& image, double strength,
                            Context& context) {
  if (!control.weights)
    throw Error(Error::Kind::invalid_input, "expected a CONTROL_NET, found none on the socket");
  ControlSettings settings{.network = {}, .hint = image.pixels.narrow(-1, 0, 3).movedim(-1, 1)};
  settings.network = [weights = *control.weights, &services = context.services()] {
    return resident(weights, services);
  };
  settings.strength = strength;
  settings.pooling = control.pooling;
  return settings;
}

struct ControlNetApply {
  struct In {
    Conditioning conditioning;
    ControlNet control_net;
    Image image;
    double strength = 1.0;
  };
  struct Out {
    Conditioning conditioning;
  };

  static auto spec() {
    return node<ControlNetApply>("ControlNetApply", "conditioning/controlnet")
        .display("Apply ControlNet (OLD)")
        .deprecated()
        .in("conditioning", &In::conditioning)
        .in("control_net", &In::control_net)
        .in("image", &In::image)
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .out(&Out::conditioning);
  }

  static Out run(const In& in, Context& context) {
    if (in.strength == 0) return {in.conditioning};
    Conditioning controlled = in.conditioning;
    for (conditioning::Entry& entry : controlled) {
      ControlSettings settings = settings_of(in.control_net, in.image, in.strength, context);
      settings.previous = entry.control;
      entry.control = conditioning::applied_control(std::move(settings));
      entry.control_applies_to_uncond = true;
    }
    return {std::move(controlled)};
  }
};

struct ControlNetApplyAdvanced {
  struct In {
    Conditioning positive;
    Conditioning negative;
    ControlNet control_net;
    Image image;
    double strength = 1.0;
    double start_percent = 0.0;
    double end_percent = 1.0;
    std::optional<Vae> vae;
  };
  struct Out {
    Conditioning positive;
    Conditioning negative;
  };

  static auto spec() {
    return node<ControlNetApplyAdvanced>("ControlNetApplyAdvanced", "conditioning/controlnet")
        .display("Apply ControlNet")
        .in("positive", &In::positive)
        .in("negative", &In::negative)
        .in("control_net", &In::control_net)
        .in("image", &In::image)
        .in("strength", &In::strength, {.min = 0.0, .max = 10.0, .step = 0.01})
        .in("start_percent", &In::start_percent, {.min = 0.0, .max = 1.0, .step = 0.001})
        .in("end_percent", &In::end_percent, {.min = 0.0, .max = 1.0, .step = 0.001})
        .in("vae", &In::vae)
        .out("positive", &Out::positive)
        .out("negative", &Out::negative);
  }

  static Out run(const In& in, Context& context) {
    if (in.strength == 0) return {in.positive, in.negative};
    // Entries that were controlled alike are controlled alike, so that they share a call.
    std::map<std::shared_ptr<const Control>, std::shared_ptr<const Control>> applied;
    const auto controlled = [&](Conditioning conditioning) {
      for (conditioning::Entry& entry : conditioning) {
        std::shared_ptr<const Control>& control = applied[entry.control];
        if (!control) {
          ControlSettings settings = settings_of(in.control_net, in.image, in.strength, context);
          settings.start_percent = in.start_percent;
          settings.end_percent = in.end_percent;
          settings.previous = entry.control;
          control = conditioning::applied_control(std::move(settings));
        }
        entry.control = control;
        entry.control_applies_to_uncond = false;
      }
      return conditioning;
    };
    Conditioning positive = controlled(in.positive);
    return {std::move(positive), controlled(in.negative)};
  }
};

}  // namespace

void register_control(engine::Registry& registry) {
  registry.add<ControlNetLoader>();
  registry.add<DiffControlNetLoader>();
  registry.add<ControlNetApply>();
  registry.add<ControlNetApplyAdvanced>();
}

}  // namespace comfy::nodes
