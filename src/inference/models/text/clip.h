// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "inference/checkpoint/lora.h"
#include "inference/checkpoint/source.h"
#include "inference/checkpoint/weights.h"
#include "inference/models/text/tokenizer.h"
#include "inference/models/text/vocabulary.h"
#include "inference/models/text_encoder.h"

#include <memory>
#include <span>
#include <string_view>

namespace comfy::models::text {

/// How another program calls a CLIP text network's tensors.
enum class ClipNaming { transformers, openclip };

/// Where the tensors of an encoder lie in a checkpoint.
struct ClipPlace {
  std::string_view prefix;  ///< with the final dot
  ClipNaming naming;
};

enum class ClipActivation { quick_gelu, gelu };
/// Whether the output of an inner layer passes the final layer norm.
enum class HiddenNorm { applied, skipped };
/// Whether the pooled encoding passes the text projection.
enum class Projection { applied, skipped };
/// Whether positions after the end of the text are hidden from the others.
enum class PaddingMask { off, on };

/// One CLIP network of a model and how the model uses it. Width, depth and length are read off the
/// tensors; heads are width / 64 unless the file's `comfy.config` names "<scope>_heads".
struct ClipEncoder {
  std::string_view key;    ///< in TokenizedPrompt: "l", "g", "h"
  std::string_view scope;  ///< of its tensors under our names: "<scope>.transformer.text_model..."
  ClipActivation activation;
  std::int64_t pad;  ///< the token that fills a chunk
  int layer;         ///< whose output is the encoding: -1 the last ..., 0 = the last, normalized
  HiddenNorm hidden_norm;
  Projection projection;
  PaddingMask padding_mask;
  checkpoint::LoraEncoder lora;
  std::span<const ClipPlace> places;
};

/// The text side of a model family: its encoders, joined along the width. The last one gives the
/// pooled encoding.
struct ClipModel {
  std::string_view name;
  std::span<const ClipEncoder> encoders;
};

extern const ClipModel kSd1, kSd2, kSdxl, kSdxlRefiner, kCascade;

/// The text tensors of a checkpoint under our names ("clip_l.transformer.text_model...."), and
/// nothing else. Empty when the file lacks an encoder of this model.
checkpoint::SourcePtr clip_source(const ClipModel& model, const checkpoint::SourcePtr& file);

struct ClipOptions {
  std::shared_ptr<const Vocabulary> vocabulary = default_vocabulary();
  EmbeddingLookup embeddings = {};  ///< nothing = "embedding:name" is text
};

/// Builds tokenizers and networks. weights: the top of a clip_source; its patches and precision
/// count. Where no storage type is set, weights are rounded to float16 first, as ComfyUI keeps
/// them. Throws Error(invalid_input) naming a tensor that is missing or a number of heads that does
/// not fit.
std::unique_ptr<TextEncoder> build_clip(const ClipModel& model, const checkpoint::Weights& weights,
                                        const ClipOptions& options = {});

/// What LoRA files call the tensors of the encoders. weights: as for build_clip.
checkpoint::LoraKeys clip_lora_keys(const ClipModel& model, const checkpoint::Weights& weights);

}  // namespace comfy::models::text
