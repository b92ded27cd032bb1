// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "comfy/stamp.h"
#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "inference/tensor/tensor.h"
#include "worker/engine/async.h"
#include "worker/engine/dynamic_prompt.h"
#include "worker/engine/expansion.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/ports.h"

/// Everything a plug-in may use: what is named in comfy::plugin below, and the functions of
/// libtorch through comfy/ops.h. Nothing else of this program is promised to stay as it is.
///
/// A plug-in is a library that defines comfy_register_nodes and adds its nodes to the registry:
///
///     namespace { struct Darken { ... }; }
///     extern "C" void comfy_register_nodes(comfy::plugin::Registry& registry) {
///       registry.add<Darken>();
///     }

namespace comfy::plugin {

// Declaring a node: a struct with In, Out, spec() and run().
using engine::node;
using engine::Registry;

// Members of In and Out, besides numbers, text, flags and the values below.
using engine::Any;
using engine::Blocker;
using engine::ExtraInputs;
using engine::Hidden;
using engine::InputFile;
using engine::InputImage;
using engine::Lazy;
using engine::LinkTypes;
using engine::List;
using engine::ModelFile;
using engine::RawLink;
using engine::Ui;

// What travels between nodes. A type of one's own needs `Port<Own>` (Socket<"NAME">).
using engine::Port;
using engine::Socket;
using nodes::Clip;
using nodes::Conditioning;
using nodes::Image;
using nodes::Latent;
using nodes::Mask;
using nodes::Model;
using nodes::Vae;

// Values of any type.
using engine::box;
using engine::unbox;
using engine::Value;

// What a node sees and does besides computing: progress, cancellation, files, prompt, state.
using engine::Async;
using engine::Context;
using engine::Preview;
using engine::PublishedFile;
using engine::PublishRequest;

// A graph in the place of a node.
using engine::DynamicPrompt;
using engine::Expansion;
using engine::GraphBuilder;
using engine::NodeIndex;
using engine::PromptInput;
using engine::PromptNode;

using comfy::Error;
using comfy::Json;
using comfy::Tensor;

/// What the worker reads before it loads a library. One for each source file that includes this.
[[gnu::used, gnu::retain]] static constexpr Stamp comfy_plugin_stamp = stamp_of_this_build();

}  // namespace comfy::plugin

/// Defined by the plug-in: adds its nodes. The worker calls it once, before the first prompt.
extern "C" [[gnu::visibility("default")]] void comfy_register_nodes(
    comfy::plugin::Registry& registry);
