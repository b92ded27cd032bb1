// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/schedule.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/sampling/custom_ports.h"
#include "worker/nodes/sampling/register.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace comfy::nodes {
namespace {

using engine::node;
using sampling::ModelSampling;
using sampling::Sigmas;

constexpr const char* kModule = "comfy_extras.nodes_custom_sampler";
constexpr const char* kSchedulers = "sampling/custom_sampling/schedulers";
constexpr const char* kEdits = "sampling/custom_sampling/sigmas";

struct BasicScheduler {
  struct In {
    Model model;
    std::string scheduler = "simple";
    int steps = 20;
    double denoise = 1;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<BasicScheduler>("BasicScheduler", kSchedulers)
        .module(kModule)
        .in("model", &In::model)
        .in("scheduler", &In::scheduler,
            {.choices = sampling::schedule_names, .show_default = false})
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("denoise", &In::denoise, {.min = 0, .max = 1, .step = 0.01})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::basic_scheduler_sigmas(ModelSampling{in.model.sampling()}, in.scheduler,
                                              in.steps, in.denoise)}};
  }
};

struct KarrasScheduler {
  struct In {
    int steps = 20;
    double sigma_max = 14.614642;
    double sigma_min = 0.0291675;
    double rho = 7;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<KarrasScheduler>("KarrasScheduler", kSchedulers)
        .module(kModule)
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("sigma_max", &In::sigma_max, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("sigma_min", &In::sigma_min, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("rho", &In::rho, {.min = 0, .max = 100, .step = 0.01, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::karras_sigmas(in.steps, in.sigma_min, in.sigma_max, in.rho)}};
  }
};

struct ExponentialScheduler {
  struct In {
    int steps = 20;
    double sigma_max = 14.614642;
    double sigma_min = 0.0291675;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<ExponentialScheduler>("ExponentialScheduler", kSchedulers)
        .module(kModule)
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("sigma_max", &In::sigma_max, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("sigma_min", &In::sigma_min, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::exponential_sigmas(in.steps, in.sigma_min, in.sigma_max)}};
  }
};

struct PolyexponentialScheduler {
  struct In {
    int steps = 20;
    double sigma_max = 14.614642;
    double sigma_min = 0.0291675;
    double rho = 1;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<PolyexponentialScheduler>("PolyexponentialScheduler", kSchedulers)
        .module(kModule)
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("sigma_max", &In::sigma_max, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("sigma_min", &In::sigma_min, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("rho", &In::rho, {.min = 0, .max = 100, .step = 0.01, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::polyexponential_sigmas(in.steps, in.sigma_min, in.sigma_max, in.rho)}};
  }
};

struct LaplaceScheduler {
  struct In {
    int steps = 20;
    double sigma_max = 14.614642;
    double sigma_min = 0.0291675;
    double mu = 0;
    double beta = 0.5;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<LaplaceScheduler>("LaplaceScheduler", kSchedulers)
        .module(kModule)
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("sigma_max", &In::sigma_max, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("sigma_min", &In::sigma_min, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("mu", &In::mu, {.min = -10, .max = 10, .step = 0.1, .round = false})
        .in("beta", &In::beta, {.min = 0, .max = 10, .step = 0.1, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::laplace_sigmas(in.steps, in.sigma_min, in.sigma_max, in.mu, in.beta)}};
  }
};

struct VPScheduler {
  struct In {
    int steps = 20;
    double beta_d = 19.9;
    double beta_min = 0.1;
    double eps_s = 0.001;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<VPScheduler>("VPScheduler", kSchedulers)
        .module(kModule)
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("beta_d", &In::beta_d, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("beta_min", &In::beta_min, {.min = 0, .max = 5000, .step = 0.01, .round = false})
        .in("eps_s", &In::eps_s, {.min = 0, .max = 1, .step = 0.0001, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {{sampling::vp_sigmas(in.steps, in.beta_d, in.beta_min, in.eps_s)}};
  }
};

struct BetaSamplingScheduler {
  struct In {
    Model model;
    int steps = 20;
    double alpha = 0.6;
    double beta = 0.6;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<BetaSamplingScheduler>("BetaSamplingScheduler", kSchedulers)
        .module(kModule)
        .in("model", &In::model)
        .in("steps", &In::steps, {.min = 1, .max = 10000})
        .in("alpha", &In::alpha, {.min = 0, .max = 50, .step = 0.01, .round = false})
        .in("beta", &In::beta, {.min = 0, .max = 50, .step = 0.01, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    return {
        {sampling::beta_sigmas(ModelSampling{in.model.sampling()}, in.steps, in.alpha, in.beta)}};
  }
};

struct SDTurboScheduler {
  struct In {
    Model model;
    int steps = 1;
    double denoise = 1;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<SDTurboScheduler>("SDTurboScheduler", kSchedulers)
        .module(kModule)
        .in("model", &In::model)
        .in("steps", &In::steps, {.min = 1, .max = 10})
        .in("denoise", &In::denoise, {.min = 0, .max = 1, .step = 0.01})
        .out(&Out::sigmas);
  }

  /// Of the ten timesteps that the turbo models were distilled for.
  static Out run(const In& in) {
    const ModelSampling sampling{in.model.sampling()};
    const int start = 10 - static_cast<int>(10 * in.denoise);
    Out out;
    for (int i = start; i < std::min(start + in.steps, 10); ++i)
      out.sigmas.values.push_back(sampling.sigma(static_cast<double>((10 - i) * 100 - 1)));
    out.sigmas.values.push_back(0);
    return out;
  }
};

struct SplitSigmas {
  struct In {
    SigmaList sigmas;
    int step = 0;
  };
  struct Out {
    SigmaList high_sigmas, low_sigmas;
  };

  static auto spec() {
    return node<SplitSigmas>("SplitSigmas", kEdits)
        .module(kModule)
        .in("sigmas", &In::sigmas)
        .in("step", &In::step, {.min = 0, .max = 10000})
        .out("high_sigmas", &Out::high_sigmas)
        .out("low_sigmas", &Out::low_sigmas);
  }

  /// The sigma between both belongs to both.
  static Out run(const In& in) {
    const Sigmas& all = in.sigmas.values;
    const auto step = std::min<std::ptrdiff_t>(in.step, std::ssize(all));
    const auto end = std::min<std::ptrdiff_t>(in.step + 1, std::ssize(all));
    return {{{all.begin(), all.begin() + end}}, {{all.begin() + step, all.end()}}};
  }
};

struct SplitSigmasDenoise {
  struct In {
    SigmaList sigmas;
    double denoise = 1;
  };
  struct Out {
    SigmaList high_sigmas, low_sigmas;
  };

  static auto spec() {
    return node<SplitSigmasDenoise>("SplitSigmasDenoise", kEdits)
        .module(kModule)
        .in("sigmas", &In::sigmas)
        .in("denoise", &In::denoise, {.min = 0, .max = 1, .step = 0.01})
        .out("high_sigmas", &Out::high_sigmas)
        .out("low_sigmas", &Out::low_sigmas);
  }

  static Out run(const In& in) {
    const Sigmas& all = in.sigmas.values;
    const auto size = std::ssize(all);
    const auto steps = std::max<std::ptrdiff_t>(size - 1, 0);
    const auto low =
        static_cast<std::ptrdiff_t>(std::nearbyint(static_cast<double>(steps) * in.denoise));
    // Python's sigmas[:-0] is empty, and kept so.
    const auto high_end = low == 0 ? 0 : std::max<std::ptrdiff_t>(size - low, 0);
    const auto low_start = std::max<std::ptrdiff_t>(size - low - 1, 0);
    return {{{all.begin(), all.begin() + high_end}}, {{all.begin() + low_start, all.end()}}};
  }
};

struct FlipSigmas {
  struct In {
    SigmaList sigmas;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<FlipSigmas>("FlipSigmas", kEdits)
        .module(kModule)
        .in("sigmas", &In::sigmas)
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    Sigmas flipped{in.sigmas.values.rbegin(), in.sigmas.values.rend()};
    if (!flipped.empty() && flipped.front() == 0) flipped.front() = static_cast<float>(0.0001);
    return {{std::move(flipped)}};
  }
};

struct SetFirstSigma {
  struct In {
    SigmaList sigmas;
    double sigma = 136;
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<SetFirstSigma>("SetFirstSigma", kEdits)
        .module(kModule)
        .in("sigmas", &In::sigmas)
        .in("sigma", &In::sigma, {.min = 0, .max = 20000, .step = 0.001, .round = false})
        .out(&Out::sigmas);
  }

  static Out run(const In& in) {
    Out out{in.sigmas};
    if (out.sigmas.values.empty())
      throw Error(Error::Kind::invalid_input, "expected at least one sigma, got none");
    out.sigmas.values.front() = static_cast<float>(in.sigma);
    return out;
  }
};

struct ExtendIntermediateSigmas {
  struct In {
    SigmaList sigmas;
    int steps = 2;
    double start_at_sigma = -1;
    double end_at_sigma = 12;
    std::string spacing = "linear";
  };
  struct Out {
    SigmaList sigmas;
  };

  static auto spec() {
    return node<ExtendIntermediateSigmas>("ExtendIntermediateSigmas", kEdits)
        .module(kModule)
        .in("sigmas", &In::sigmas)
        .in("steps", &In::steps, {.min = 1, .max = 100})
        .in("start_at_sigma", &In::start_at_sigma,
            {.min = -1, .max = 20000, .step = 0.01, .round = false})
        .in("end_at_sigma", &In::end_at_sigma,
            {.min = 0, .max = 20000, .step = 0.01, .round = false})
        .in("spacing", &In::spacing,
            {.choices = {"linear", "cosine", "sine"}, .show_default = false})
        .out(&Out::sigmas);
  }

  /// Each step between the two sigmas becomes `steps` steps.
  static Out run(const In& in) {
    const double highest =
        in.start_at_sigma < 0 ? std::numeric_limits<double>::infinity() : in.start_at_sigma;
    const Sigmas& all = in.sigmas.values;
    Out out;
    for (std::size_t i = 0; i < all.size(); ++i) {
      out.sigmas.values.push_back(all[i]);
      if (i + 1 == all.size() || all[i] < in.end_at_sigma || all[i] > highest) continue;
      for (int part = 1; part < in.steps; ++part) {
        const double share = spaced(static_cast<double>(part) / in.steps, in.spacing);
        out.sigmas.values.push_back(static_cast<float>(share * (all[i + 1] - all[i]) + all[i]));
      }
    }
    return out;
  }

  static double spaced(double x, const std::string& spacing) {
    if (spacing == "cosine") return std::sin(x * std::numbers::pi / 2);
    if (spacing == "sine") return 1 - std::cos(x * std::numbers::pi / 2);
    return x;
  }
};

struct SamplingPercentToSigma {
  struct In {
    Model model;
    double sampling_percent = 0;
    bool return_actual_sigma = false;
  };
  struct Out {
    double sigma_value = 0;
  };

  static auto spec() {
    return node<SamplingPercentToSigma>("SamplingPercentToSigma", kEdits)
        .module(kModule)
        .in("model", &In::model, {.show_empty = true})
        .in("sampling_percent", &In::sampling_percent, {.min = 0, .max = 1, .step = 0.0001})
        .in("return_actual_sigma", &In::return_actual_sigma,
            {.tooltip = "At 0 and 1 the largest and smallest sigma of the model, in place of the "
                        "bounds that ranges of sampling are compared with."})
        .out("sigma_value", &Out::sigma_value);
  }

  static Out run(const In& in) {
    const ModelSampling sampling{in.model.sampling()};
    if (in.return_actual_sigma && in.sampling_percent == 0) return {sampling.sigma_max()};
    if (in.return_actual_sigma && in.sampling_percent == 1) return {sampling.sigma_min()};
    return {sampling.percent_to_sigma(in.sampling_percent)};
  }
};

}  // namespace

void register_sigmas(engine::Registry& registry) {
  registry.add<BasicScheduler>();
  registry.add<KarrasScheduler>();
  registry.add<ExponentialScheduler>();
  registry.add<PolyexponentialScheduler>();
  registry.add<LaplaceScheduler>();
  registry.add<VPScheduler>();
  registry.add<BetaSamplingScheduler>();
  registry.add<SDTurboScheduler>();
  registry.add<SplitSigmas>();
  registry.add<SplitSigmasDenoise>();
  registry.add<FlipSigmas>();
  registry.add<SetFirstSigma>();
  registry.add<ExtendIntermediateSigmas>();
  registry.add<SamplingPercentToSigma>();
}

}  // namespace comfy::nodes
