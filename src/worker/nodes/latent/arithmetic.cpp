// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/batch_size.h"
#include "worker/nodes/latent/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <numeric>

namespace comfy::nodes {
namespace {

using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_latent";

/// A second latent in the size of the first.
Tensor sized_like(const Tensor& first, const Tensor& second) {
  if (first.sizes().slice(1) == second.sizes().slice(1)) return second;
  return tensor::resample(second, first.size(-1), first.size(-2), "bilinear", tensor::Crop::center);
}

/// In size and number.
Tensor shaped_like(const Tensor& first, const Tensor& second) {
  return with_batch_size(sized_like(first, second), first.size(0));
}

struct LatentAdd {
  struct In {
    Latent samples1;
    Latent samples2;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentAdd>("LatentAdd", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples1", &In::samples1)
        .in("samples2", &In::samples2)
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples1;
    latent.samples = latent.samples + shaped_like(latent.samples, in.samples2.samples);
    return {std::move(latent)};
  }
};

struct LatentSubtract {
  using In = LatentAdd::In;
  using Out = LatentAdd::Out;

  static auto spec() {
    return node<LatentSubtract>("LatentSubtract", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples1", &In::samples1)
        .in("samples2", &In::samples2)
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples1;
    latent.samples = latent.samples - shaped_like(latent.samples, in.samples2.samples);
    return {std::move(latent)};
  }
};

struct LatentMultiply {
  struct In {
    Latent samples;
    double multiplier = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentMultiply>("LatentMultiply", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples", &In::samples)
        .in("multiplier", &In::multiplier, {.min = -10, .max = 10, .step = 0.01})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    latent.samples = latent.samples * in.multiplier;
    return {std::move(latent)};
  }
};

struct LatentInterpolate {
  struct In {
    Latent samples1;
    Latent samples2;
    double ratio = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentInterpolate>("LatentInterpolate", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples1", &In::samples1)
        .in("samples2", &In::samples2)
        .in("ratio", &In::ratio, {.min = 0, .max = 1, .step = 0.01})
        .out(&Out::latent);
  }

  /// Directions and lengths of the pixels' vectors are mixed apart.
  static Out run(const In& in) {
    Latent latent = in.samples1;
    const Tensor& first = latent.samples;
    const Tensor second = shaped_like(first, in.samples2.samples);
    // As in ComfyUI the lengths are [B, H, W] against [B, C, H, W]: batches of one only.
    const Tensor first_length = at::linalg_vector_norm(first, 2, at::IntArrayRef{1});
    const Tensor second_length = at::linalg_vector_norm(second, 2, at::IntArrayRef{1});
    const Tensor mixed = at::nan_to_num(first / first_length) * in.ratio +
                         at::nan_to_num(second / second_length) * (1.0 - in.ratio);
    const Tensor direction =
        at::nan_to_num(mixed / at::linalg_vector_norm(mixed, 2, at::IntArrayRef{1}));
    latent.samples = direction * (first_length * in.ratio + second_length * (1.0 - in.ratio));
    return {std::move(latent)};
  }
};

/// The dimension that "x", "-y" or "t" names.
std::int64_t dimension_of(const std::string& name, const Tensor& samples) {
  const std::int64_t back = name.ends_with('x') ? 1 : name.ends_with('y') ? 2 : 3;
  return samples.dim() - back;
}

struct LatentConcat {
  struct In {
    Latent samples1;
    Latent samples2;
    std::string dim = "x";
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentConcat>("LatentConcat", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples1", &In::samples1)
        .in("samples2", &In::samples2)
        .in("dim", &In::dim, {.choices = {"x", "-x", "y", "-y", "t", "-t"}, .show_default = false})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples1;
    const Tensor second = with_batch_size(in.samples2.samples, latent.samples.size(0));
    std::vector<Tensor> parts{latent.samples, second};
    if (in.dim.starts_with('-')) std::swap(parts[0], parts[1]);
    latent.samples = at::cat(parts, dimension_of(in.dim, latent.samples));
    return {std::move(latent)};
  }
};

struct LatentCut {
  struct In {
    Latent samples;
    std::string dim = "x";
    int index = 0;
    int amount = 1;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentCut>("LatentCut", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples", &In::samples)
        .in("dim", &In::dim, {.choices = {"x", "y", "t"}, .show_default = false})
        .in("index", &In::index, {.min = -kMaxSide, .max = kMaxSide, .step = 1})
        .in("amount", &In::amount, {.min = 1, .max = kMaxSide, .step = 1})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    const std::int64_t dimension = dimension_of(in.dim, latent.samples);
    const std::int64_t size = latent.samples.size(dimension);
    // A negative index counts from the end.
    const std::int64_t start = in.index >= 0 ? std::min<std::int64_t>(in.index, size - 1)
                                             : std::max<std::int64_t>(size + in.index, 0);
    const std::int64_t amount = std::min<std::int64_t>(size - start, in.amount);
    latent.samples = latent.samples.narrow(dimension, start, amount);
    return {std::move(latent)};
  }
};

/// The noise that each picture of a latent gets.
std::vector<std::int64_t> batch_index_of(const Latent& latent) {
  if (!latent.batch_index.empty()) return latent.batch_index;
  std::vector<std::int64_t> index(static_cast<std::size_t>(latent.samples.size(0)));
  std::iota(index.begin(), index.end(), 0);
  return index;
}

struct LatentBatch {
  struct In {
    Latent samples1;
    Latent samples2;
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentBatch>("LatentBatch", "latent/batch")
        .module(kModule)
        .schema()
        .in("samples1", &In::samples1)
        .in("samples2", &In::samples2)
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples1;
    latent.batch_index = batch_index_of(in.samples1);
    const std::vector<std::int64_t> more = batch_index_of(in.samples2);
    latent.batch_index.insert(latent.batch_index.end(), more.begin(), more.end());
    latent.samples = at::cat({latent.samples, sized_like(latent.samples, in.samples2.samples)}, 0);
    return {std::move(latent)};
  }
};

struct LatentBatchSeedBehavior {
  struct In {
    Latent samples;
    std::string seed_behavior = "fixed";
  };
  struct Out {
    Latent latent;
  };

  static auto spec() {
    return node<LatentBatchSeedBehavior>("LatentBatchSeedBehavior", "latent/advanced")
        .module(kModule)
        .schema()
        .in("samples", &In::samples)
        .in("seed_behavior", &In::seed_behavior, {.choices = {"random", "fixed"}})
        .out(&Out::latent);
  }

  static Out run(const In& in) {
    Latent latent = in.samples;
    const std::int64_t first = latent.batch_index.empty() ? 0 : latent.batch_index.front();
    latent.batch_index.clear();
    if (in.seed_behavior == "fixed")
      latent.batch_index.assign(static_cast<std::size_t>(latent.samples.size(0)), first);
    return {std::move(latent)};
  }
};

}  // namespace

void register_latent_arithmetic(engine::Registry& registry) {
  registry.add<LatentAdd>();
  registry.add<LatentSubtract>();
  registry.add<LatentMultiply>();
  registry.add<LatentInterpolate>();
  registry.add<LatentConcat>();
  registry.add<LatentCut>();
  registry.add<LatentBatch>();
  registry.add<LatentBatchSeedBehavior>();
}

}  // namespace comfy::nodes
