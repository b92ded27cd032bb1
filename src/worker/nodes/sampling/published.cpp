// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/published_schedules.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/sampling/custom_ports.h"
#include "worker/nodes/sampling/register.h"

#include <optional>

namespace comfy::nodes {
namespace {

using engine::node;

struct AlignYourStepsScheduler {
  struct In {
    std::string model_type;
    int steps = 10;
    double denoise = 1.0;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<AlignYourStepsScheduler>("AlignYourStepsScheduler",
                                         "sampling/custom_sampling/schedulers")
        .module("comfy_extras.nodes_align_your_steps")
        .schema()
        .in("model_type", &In::model_type, {.choices = {"SD1", "SDXL", "SVD"}})
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("denoise", &In::denoise, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::align_your_steps_sigmas(in.model_type, in.steps, in.denoise)}};
  }
};

struct OptimalStepsScheduler {
  struct In {
    std::string model_type;
    int steps = 20;
    double denoise = 1.0;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<OptimalStepsScheduler>("OptimalStepsScheduler",
                                       "sampling/custom_sampling/schedulers")
        .module("comfy_extras.nodes_optimalsteps")
        .schema()
        .in("model_type", &In::model_type, {.choices = {"FLUX", "Wan", "Chroma"}})
        .in("steps", &In::steps, {.min = 3, .max = 1000})
        .in("denoise", &In::denoise, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::optimal_steps_sigmas(in.model_type, in.steps, in.denoise)}};
  }
};

struct GITSScheduler {
  struct In {
    double coeff = 1.2;
    int steps = 10;
    double denoise = 1.0;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<GITSScheduler>("GITSScheduler", "sampling/custom_sampling/schedulers")
        .module("comfy_extras.nodes_gits")
        .schema()
        .in("coeff", &In::coeff, {.min = 0.8, .max = 1.5, .step = 0.05})
        .in("steps", &In::steps, {.min = 2, .max = 1000})
        .in("denoise", &In::denoise, {.min = 0.0, .max = 1.0, .step = 0.01})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) { return {{sampling::gits_sigmas(in.coeff, in.steps, in.denoise)}}; }
};

struct LTXVScheduler {
  struct In {
    int steps = 20;
    double max_shift = 2.05;
    double base_shift = 0.95;
    bool stretch = true;
    double terminal = 0.1;
    std::optional<Latent> latent;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<LTXVScheduler>("LTXVScheduler", "sampling/custom_sampling/schedulers")
        .module("comfy_extras.nodes_lt")
        .schema()
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("max_shift", &In::max_shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .in("base_shift", &In::base_shift, {.min = 0.0, .max = 100.0, .step = 0.01})
        .in("stretch", &In::stretch,
            {.tooltip =
                 "Whether the last sigma before 0 is moved to `terminal`, and the others with it."})
        .in("terminal", &In::terminal,
            {.min = 0.0,
             .max = 0.99,
             .step = 0.01,
             .tooltip = "The last sigma before 0 when stretched."})
        .in("latent", &In::latent)
        .out(&Out::sigmas);
  }

  /// The shift is base_shift at 1,024 tokens and max_shift at 4,096.
  static Out run(const In& in) {
    constexpr double kFewest = 1024, kMost = 4096;
    double tokens = kMost;
    if (in.latent) {
      tokens = 1;
      for (std::int64_t d = 2; d < in.latent->samples.dim(); ++d)
        tokens *= static_cast<double>(in.latent->samples.size(d));
    }
    const double slope = (in.max_shift - in.base_shift) / (kMost - kFewest);
    const double shift = tokens * slope + (in.base_shift - slope * kFewest);
    return {{sampling::ltxv_sigmas(in.steps, shift,
                                   in.stretch ? std::optional{in.terminal} : std::nullopt)}};
  }
};

}  // namespace

void register_published_schedules(engine::Registry& registry) {
  registry.add<AlignYourStepsScheduler>();
  registry.add<OptimalStepsScheduler>();
  registry.add<GITSScheduler>();
  registry.add<LTXVScheduler>();
}

}  // namespace comfy::nodes
