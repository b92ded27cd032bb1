// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/media/picture.h"
#include "foundation/media/text_entry.h"
#include "worker/engine/context.h"
#include "worker/nodes/ports.h"

#include <vector>

namespace comfy::nodes {

/// The workflow as ComfyUI writes it into files: the prompt first, then whatever the client sent.
/// Nothing where the worker was told to leave metadata out.
std::vector<media::TextEntry> workflow_texts(engine::Context& context);

/// One picture of a batch in bytes.
media::Picture picture_at(const Image& images, std::int64_t index);

}  // namespace comfy::nodes
