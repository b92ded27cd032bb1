// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "golden/area.h"

namespace comfy::golden {

/// Whether the encoders' vocabulary is on this machine; without it both areas fail.
bool have_vocabulary();

/// Prompts of one model's tokenizer, token by token. The files with "_ftfy" in their name were
/// recorded with a package that ComfyUI does not require: no cases.
std::optional<Outcome> run_tokenizer(const std::filesystem::path& file);
/// One prompt through a text encoder. Weights and embeddings beside the cases are none.
std::optional<Outcome> run_clip(const std::filesystem::path& file);

}  // namespace comfy::golden
