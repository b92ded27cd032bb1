// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/source.h"
#include "inference/models/checkpoint_file.h"
#include "worker/nodes/services.h"

#include <string>
#include <string_view>

namespace comfy::nodes {

/// Opens a model file; errors name it as the menu does, never by where it lies on this machine.
checkpoint::SourcePtr open_model_file(std::string_view kind, const std::string& name,
                                      Services& services);

models::LoadPrecision precision_of(const PrecisionPolicy& policy);

}  // namespace comfy::nodes
