// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/graph/catalogue.h"
#include "foundation/graph/file_choices.h"

namespace comfy::graph {

/// The entry of one class in GET /object_info, with its keys in the order in which ComfyUI serves
/// them.
Json object_info(const NodeDefinition& definition, const FileChoices& files);
/// The whole answer of GET /object_info.
Json object_info(const Catalogue& catalogue, const FileChoices& files);

/// One input as /object_info and the `input_config` of errors write it: [type, options].
/// `Pad::yes` adds empty options where none are declared.
enum class Pad { no, yes };
Json input_config(const InputDefinition& input, const FileChoices& files, Pad pad);

/// Reads one entry of /object_info back; choices become fixed ones. Throws Error(invalid_input)
/// when it has not that shape.
NodeDefinition from_object_info(const Json& entry);
/// Reads a whole answer of /object_info.
Catalogue catalogue_from_object_info(const Json& answer);

}  // namespace comfy::graph
