// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/conditioning/sample.h"
#include "worker/engine/context.h"
#include "worker/nodes/ports.h"

namespace comfy::nodes {

/// Reports each step of a run to the user, with a preview where one is wanted. Both must outlive
/// the result.
conditioning::OnSampleStep step_reports(const Model& model, engine::Context& context);

}  // namespace comfy::nodes
