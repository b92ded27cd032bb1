// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/batch_size.h"
#include "worker/nodes/image/register.h"
#include "worker/nodes/ports.h"

#include <algorithm>
#include <numeric>

namespace comfy::nodes {
namespace {

using engine::List;
using engine::node;

constexpr const char* kModule = "comfy_extras.nodes_rebatch";

/// The size asked for; lists of it have one element.
std::int64_t size_in(const std::vector<int>& batch_size) {
  if (batch_size.empty() || batch_size.front() < 1)
    throw Error(Error::Kind::invalid_input, "batch_size must be at least 1");
  return batch_size.front();
}

struct RebatchImages {
  struct In {
    std::vector<Image> images;
    std::vector<int> batch_size{1};
  };
  struct Out {
    List<Image> images;
  };

  static auto spec() {
    return node<RebatchImages>("RebatchImages", "image/batch")
        .display("Rebatch Images")
        .module(kModule)
        .schema()
        .in("images", &In::images)
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096, .extra = {{"default", 1}}})
        .takes_lists()
        .out(&Out::images);
  }

  static Out run(const In& in) {
    std::vector<Tensor> all;
    for (const Image& image : in.images)
      for (const Tensor& one : image.pixels.split(1)) all.push_back(one);
    Out out;
    const auto size = static_cast<std::size_t>(size_in(in.batch_size));
    for (std::size_t i = 0; i < all.size(); i += size)
      out.images.push_back(
          {at::cat(at::TensorList{all}.slice(i, std::min(size, all.size() - i)), 0)});
    return out;
  }
};

struct RebatchLatents {
  struct In {
    std::vector<Latent> latents;
    std::vector<int> batch_size{1};
  };
  struct Out {
    List<Latent> latents;
  };

  static auto spec() {
    return node<RebatchLatents>("RebatchLatents", "latent/batch")
        .display("Rebatch Latents")
        .module(kModule)
        .schema()
        .in("latents", &In::latents)
        .in("batch_size", &In::batch_size, {.min = 1, .max = 4096, .extra = {{"default", 1}}})
        .takes_lists()
        .out(&Out::latents);
  }

  static Out run(const In& in) {
    Out out;
    const std::int64_t size = size_in(in.batch_size);
    std::optional<Latent> current;
    std::int64_t seen = 0;
    for (const Latent& given : in.latents) {
      Latent next = complete(given, seen);
      seen += next.samples.size(0);
      if (current && current->samples.sizes().slice(2) != next.samples.sizes().slice(2)) {
        out.latents.push_back(taken(*current, 0, std::min(size, current->samples.size(0))));
        current.reset();
      }
      current = current ? joined(*current, next) : std::move(next);
      if (current->samples.size(0) <= size) continue;
      const std::int64_t count = current->samples.size(0), whole = count / size * size;
      for (std::int64_t i = 0; i < whole; i += size)
        out.latents.push_back(taken(*current, i, size));
      current = whole < count ? std::optional{taken(*current, whole, count - whole)} : std::nullopt;
    }
    if (current)
      out.latents.push_back(taken(*current, 0, std::min(size, current->samples.size(0))));
    // A mask that chooses everything is none.
    for (Latent& latent : out.latents)
      if (latent.noise_mask.mean().item<double>() == 1.0) latent.noise_mask.reset();
    return out;
  }

  /// With a mask of the picture's size for each item, and the noise that each item gets.
  static Latent complete(Latent latent, std::int64_t offset) {
    const std::int64_t count = latent.samples.size(0);
    const std::int64_t height = latent.samples.size(-2) * 8, width = latent.samples.size(-1) * 8;
    const Tensor& mask = latent.noise_mask;
    latent.noise_mask =
        mask.defined() ? with_batch_size(at::upsample_bilinear2d(
                                             mask.reshape({-1, 1, mask.size(-2), mask.size(-1)}),
                                             {height, width}, false),
                                         count)
                       : at::ones({count, 1, height, width});
    if (latent.batch_index.empty()) {
      latent.batch_index.resize(static_cast<std::size_t>(count));
      std::iota(latent.batch_index.begin(), latent.batch_index.end(), offset);
    }
    return latent;
  }

  static Latent taken(const Latent& latent, std::int64_t start, std::int64_t length) {
    const auto first = latent.batch_index.begin() + start;
    return {.samples = latent.samples.narrow(0, start, length),
            .noise_mask = latent.noise_mask.narrow(0, start, length),
            .batch_index = {first, first + length}};
  }

  static Latent joined(const Latent& first, const Latent& second) {
    Latent both{.samples = at::cat({first.samples, second.samples}, 0),
                .noise_mask = at::cat({first.noise_mask, second.noise_mask}, 0),
                .batch_index = first.batch_index};
    both.batch_index.insert(both.batch_index.end(), second.batch_index.begin(),
                            second.batch_index.end());
    return both;
  }
};

}  // namespace

void register_rebatching(engine::Registry& registry) {
  registry.add<RebatchLatents>();
  registry.add<RebatchImages>();
}

}  // namespace comfy::nodes
