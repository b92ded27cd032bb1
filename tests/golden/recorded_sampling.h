// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "inference/sampling/model_sampling.h"
#include "inference/sampling/sampler.h"
#include "inference/sampling/schedule.h"

#include <map>
#include <string>

namespace comfy::golden {

// What the names in the recorded cases of schedules and samplers mean.

/// The parameterizations, by the names of the cases.
const std::map<std::string, sampling::SamplingSettings>& recorded_parameterizations();

/// The sampler of a case with the options it was recorded with. Throws Error(unsupported) naming an
/// option that this build does not offer.
sampling::Sampler recorded_sampler(const std::string& name, const Json& options);

Tensor as_tensor(const sampling::Sigmas& sigmas);
sampling::Sigmas as_sigmas(const Tensor& values);

}  // namespace comfy::golden
