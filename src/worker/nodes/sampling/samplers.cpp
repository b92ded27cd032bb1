// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/solvers/solvers.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/sampling/custom_ports.h"
#include "worker/nodes/sampling/register.h"

#include <cmath>

namespace comfy::nodes {
namespace {

using engine::node;

/// The sampler of the menu with other options. Noise always comes from the CPU's generator, so the
/// choice of a device for it changes nothing.
template <class Solver, class Options>
Sampler with_options(std::string_view name, Solver solver, Options options) {
  Sampler sampler = sampling::find_sampler(name);
  sampler.function = [solver, options = std::move(options)](
                         const sampling::Denoiser& denoise, Tensor x,
                         std::span<const double> sigmas, const sampling::SamplerContext& context) {
    return solver(denoise, std::move(x), sigmas, context, options);
  };
  return sampler;
}

struct SamplerEulerAncestral {
  struct In {
    double eta = 1.0;
    double s_noise = 1.0;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerEulerAncestral>("SamplerEulerAncestral", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("eta", &In::eta, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("euler_ancestral", sampling::euler_ancestral,
                         sampling::Stochastic{.eta = in.eta, .s_noise = in.s_noise})};
  }
};

struct SamplerEulerAncestralCFGPP {
  struct In {
    double eta = 1.0;
    double s_noise = 1.0;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerEulerAncestralCFGPP>("SamplerEulerAncestralCFGPP",
                                            "sampling/custom_sampling/samplers")
        .display("SamplerEulerAncestralCFG++")
        .module("comfy_extras.nodes_custom_sampler")
        .in("eta", &In::eta, {.min = 0.0, .max = 1.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 10.0, .step = 0.01, .round = false})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("euler_ancestral_cfg_pp", sampling::euler_ancestral_cfg_pp,
                         sampling::Stochastic{.eta = in.eta, .s_noise = in.s_noise})};
  }
};

struct SamplerLMS {
  struct In {
    int order = 4;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerLMS>("SamplerLMS", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("order", &In::order, {.min = 1, .max = 100})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("lms", sampling::lms, sampling::MaxOrder{.order = in.order})};
  }
};

struct SamplerDPMPP_3M_SDE {
  struct In {
    double eta = 1.0;
    double s_noise = 1.0;
    std::string noise_device;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerDPMPP_3M_SDE>("SamplerDPMPP_3M_SDE", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("eta", &In::eta, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("noise_device", &In::noise_device, {.choices = {"gpu", "cpu"}})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("dpmpp_3m_sde", sampling::dpmpp_3m_sde,
                         sampling::Stochastic{.eta = in.eta, .s_noise = in.s_noise})};
  }
};

struct SamplerDPMPP_2M_SDE {
  struct In {
    std::string solver_type;
    double eta = 1.0;
    double s_noise = 1.0;
    std::string noise_device;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerDPMPP_2M_SDE>("SamplerDPMPP_2M_SDE", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("solver_type", &In::solver_type, {.choices = {"midpoint", "heun"}})
        .in("eta", &In::eta, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("noise_device", &In::noise_device, {.choices = {"gpu", "cpu"}})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    using Solver = sampling::Dpmpp2mSde::Solver;
    return {
        with_options("dpmpp_2m_sde", sampling::dpmpp_2m_sde,
                     sampling::Dpmpp2mSde{
                         .eta = in.eta,
                         .s_noise = in.s_noise,
                         .solver = in.solver_type == "heun" ? Solver::heun : Solver::midpoint})};
  }
};

struct SamplerDPMPP_SDE {
  struct In {
    double eta = 1.0;
    double s_noise = 1.0;
    double r = 0.5;
    std::string noise_device;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerDPMPP_SDE>("SamplerDPMPP_SDE", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("eta", &In::eta, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("r", &In::r, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("noise_device", &In::noise_device, {.choices = {"gpu", "cpu"}})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("dpmpp_sde", sampling::dpmpp_sde,
                         sampling::DpmppSde{.eta = in.eta, .s_noise = in.s_noise, .r = in.r})};
  }
};

struct SamplerDPMPP_2S_Ancestral {
  struct In {
    double eta = 1.0;
    double s_noise = 1.0;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerDPMPP_2S_Ancestral>("SamplerDPMPP_2S_Ancestral",
                                           "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("eta", &In::eta, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("dpmpp_2s_ancestral", sampling::dpmpp_2s_ancestral,
                         sampling::Stochastic{.eta = in.eta, .s_noise = in.s_noise})};
  }
};

struct SamplerDPMAdaptative {
  struct In {
    int order = 3;
    double rtol = 0.05;
    double atol = 0.0078;
    double h_init = 0.05;
    double pcoeff = 0.0;
    double icoeff = 1.0;
    double dcoeff = 0.0;
    double accept_safety = 0.81;
    double eta = 0.0;
    double s_noise = 1.0;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerDPMAdaptative>("SamplerDPMAdaptative", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("order", &In::order, {.min = 2, .max = 3})
        .in("rtol", &In::rtol, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("atol", &In::atol, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("h_init", &In::h_init, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("pcoeff", &In::pcoeff, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("icoeff", &In::icoeff, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("dcoeff", &In::dcoeff, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("accept_safety", &In::accept_safety,
            {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("eta", &In::eta, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("dpm_adaptive", sampling::dpm_adaptive,
                         sampling::DpmAdaptive{.order = in.order,
                                               .rtol = in.rtol,
                                               .atol = in.atol,
                                               .h_init = in.h_init,
                                               .pcoeff = in.pcoeff,
                                               .icoeff = in.icoeff,
                                               .dcoeff = in.dcoeff,
                                               .accept_safety = in.accept_safety,
                                               .eta = in.eta,
                                               .s_noise = in.s_noise})};
  }
};

struct SamplerER_SDE {
  struct In {
    std::string solver_type;
    int max_stage = 3;
    double eta = 1.0;
    double s_noise = 1.0;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerER_SDE>("SamplerER_SDE", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_custom_sampler")
        .in("solver_type", &In::solver_type,
            {.choices = {"ER-SDE", "Reverse-time SDE", "ODE"}, .new_combo = true})
        .in("max_stage", &In::max_stage, {.min = 1, .max = 3})
        .in("eta", &In::eta,
            {.min = 0.0,
             .max = 100.0,
             .step = 0.01,
             .round = false,
             .tooltip = "How much noise the reverse-time SDE adds; at 0 it is an ODE. The ER-SDE "
                        "solver does not read it."})
        .in("s_noise", &In::s_noise, {.min = 0.0, .max = 100.0, .step = 0.01, .round = false})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    const bool plain =
        in.solver_type == "ODE" || (in.solver_type == "Reverse-time SDE" && in.eta == 0);
    const double eta = plain ? 0.0 : in.eta;
    sampling::ErSde options{.s_noise = plain ? 0.0 : in.s_noise, .max_stage = in.max_stage};
    if (in.solver_type != "ER-SDE")
      options.noise_scaler = [eta](double x) { return std::pow(x, eta + 1); };
    return {with_options("er_sde", sampling::er_sde, std::move(options))};
  }
};

struct SamplerLCMUpscale {
  struct In {
    double scale_ratio = 1.0;
    int scale_steps = -1;
    std::string upscale_method;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerLCMUpscale>("SamplerLCMUpscale", "sampling/custom_sampling/samplers")
        .module("comfy_extras.nodes_advanced_samplers")
        .schema()
        .in("scale_ratio", &In::scale_ratio, {.min = 0.1, .max = 20.0, .step = 0.01})
        .in("scale_steps", &In::scale_steps, {.min = -1, .max = 1000, .step = 1})
        .in("upscale_method", &In::upscale_method,
            {.choices = {"bislerp", "nearest-exact", "bilinear", "area", "bicubic"}})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    return {with_options("lcm", sampling::lcm_upscale,
                         sampling::LcmUpscale{.scale_ratio = in.scale_ratio,
                                              .scale_steps = in.scale_steps,
                                              .method = in.upscale_method})};
  }
};

struct SamplerEulerCFGpp {
  struct In {
    std::string version;
  };
  struct Out {
    Sampler sampler;
  };

  static auto spec() {
    return node<SamplerEulerCFGpp>("SamplerEulerCFGpp", "_for_testing")
        .display("SamplerEulerCFG++")
        .module("comfy_extras.nodes_advanced_samplers")
        .schema()
        .experimental()
        .in("version", &In::version, {.choices = {"regular", "alternative"}})
        .out(&Out::sampler);
  }

  static Out run(const In& in) {
    Sampler sampler = sampling::find_sampler("euler_cfg_pp");
    if (in.version == "alternative") sampler.function = sampling::euler_pp;
    return {std::move(sampler)};
  }
};

}  // namespace

void register_solvers(engine::Registry& registry) {
  registry.add<SamplerEulerAncestral>();
  registry.add<SamplerEulerAncestralCFGPP>();
  registry.add<SamplerLMS>();
  registry.add<SamplerDPMPP_3M_SDE>();
  registry.add<SamplerDPMPP_2M_SDE>();
  registry.add<SamplerDPMPP_SDE>();
  registry.add<SamplerDPMPP_2S_Ancestral>();
  registry.add<SamplerDPMAdaptative>();
  registry.add<SamplerER_SDE>();
  registry.add<SamplerLCMUpscale>();
  registry.add<SamplerEulerCFGpp>();
}

}  // namespace comfy::nodes
