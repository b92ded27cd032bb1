// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <numeric>

namespace comfy::nodes {
namespace {

using engine::node;

/// `masks` repeated so that there is one for each of `count` pictures.
Tensor one_mask_each(const Tensor& masks, std::int64_t count) {
  if (masks.size(0) >= count) return masks;
  const std::int64_t times = (count + masks.size(0) - 1) / masks.size(0);
  return masks.repeat({times, 1, 1, 1}).narrow(0, 0, count);
}

struct RepeatLatentBatch {
  struct In {
    Latent samples;
    int amount = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<RepeatLatentBatch>("RepeatLatentBatch", "latent/batch")
        .display("Repeat Latent Batch")
        .in("samples", &In::samples)
        .in("amount", &In::amount, {.min = 1, .max = 64})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    std::vector<std::int64_t> times(static_cast<std::size_t>(latent.samples.dim()), 1);
    times[0] = in.amount;
    if (latent.noise_mask.defined() && latent.noise_mask.size(0) > 1)
      latent.noise_mask =
          one_mask_each(latent.noise_mask, latent.samples.size(0)).repeat({in.amount, 1, 1, 1});
    latent.samples = latent.samples.repeat(times);
    repeat_index(latent.batch_index, in.amount);
    return {std::move(latent)};
  }

  /// Every repetition continues behind the largest index, so that each picture has noise of its
  /// own.
  static void repeat_index(std::vector<std::int64_t>& index, int amount) {
    if (index.empty()) return;
    const std::vector<std::int64_t> once = index;
    const auto [least, most] = std::minmax_element(once.begin(), once.end());
    const std::int64_t offset = *most - *least + 1;
    for (int i = 1; i < amount; ++i)
      for (const std::int64_t one : once) index.push_back(one + i * offset);
  }
};

struct LatentFromBatch {
  struct In {
    Latent samples;
    int batch_index = 0;
    int length = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentFromBatch>("LatentFromBatch", "latent/batch")
        .display("Latent From Batch")
        .in("samples", &In::samples)
        .in("batch_index", &In::batch_index, {.min = 0, .max = 63})
        .in("length", &In::length, {.min = 1, .max = 64})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    const std::int64_t count = latent.samples.size(0);
    const std::int64_t first = std::min<std::int64_t>(count - 1, in.batch_index);
    const std::int64_t length = std::min<std::int64_t>(count - first, in.length);
    latent.samples = latent.samples.narrow(0, first, length).clone();
    if (latent.noise_mask.defined() && latent.noise_mask.size(0) > 1)
      latent.noise_mask = one_mask_each(latent.noise_mask, count).narrow(0, first, length).clone();
    if (latent.batch_index.empty()) {
      latent.batch_index.resize(static_cast<std::size_t>(length));
      std::iota(latent.batch_index.begin(), latent.batch_index.end(), first);
    } else {
      latent.batch_index = {latent.batch_index.begin() + first,
                            latent.batch_index.begin() + first + length};
    }
    return {std::move(latent)};
  }
};

}  // namespace

void register_latent_batches(engine::Registry& registry) {
  registry.add<RepeatLatentBatch>();
  registry.add<LatentFromBatch>();
}

}  // namespace comfy::nodes
