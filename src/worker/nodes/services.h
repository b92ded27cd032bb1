// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/formats/model_file.h"
#include "foundation/media/decode.h"
#include "inference/residency/residency.h"
#include "inference/tensor/tensor.h"

namespace comfy::paths {
class Folders;
}

namespace comfy::nodes {

/// In which precision this worker keeps and computes models.
struct PrecisionPolicy {
  DType network = DType::Float;
  DType autoencoder = DType::Float;
  DType text_storage =
      DType::Half;  ///< ComfyUI keeps text encoders in float16 and computes in float32
};

enum class Metadata { written, left_out };

/// What nodes need of the worker they run in. main builds one; it outlives every prompt.
struct Services {
  const paths::Folders& folders;
  residency::Residency& residency;
  PrecisionPolicy precision = {};
  Metadata metadata = Metadata::written;
  formats::PickleFiles pickles = formats::PickleFiles::read;
  media::DecodeLimits decode_limits = {};
};

}  // namespace comfy::nodes
