// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

namespace comfy::golden {

/// Runs a case that is a workflow through engine and nodes, as the worker would, and compares every
/// recorded output.
std::optional<Outcome> run_e2e(const std::filesystem::path& file);
/// The calls of scheduler and sigma nodes that one case of the schedules area holds.
std::optional<Outcome> run_sigma_nodes(const std::filesystem::path& file);
std::optional<Outcome> run_nodes(const std::filesystem::path& file);
/// A case of the area vae that the node VAEEncodeForInpaint made.
std::optional<Outcome> run_inpaint_encoding(const std::filesystem::path& file);
/// Text, sampling and decoding with the full-size checkpoint at that path.
std::optional<Outcome> run_full_sampling(const std::filesystem::path& file,
                                         const std::filesystem::path& checkpoint);

}  // namespace comfy::golden
