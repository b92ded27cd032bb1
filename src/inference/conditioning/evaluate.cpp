// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/evaluate.h"

#include "inference/conditioning/batch.h"
#include "inference/tensor/ops.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace comfy::conditioning {

namespace {

constexpr std::int64_t kFeather = 8;      // latent pixels over which an area fades at an inner edge
constexpr double kAlmostNothing = 1e-37;  // weight of places that no entry covers
constexpr std::int64_t kLongestPadding = 4;  // how many times a text may be repeated to fit another

/// A tensor cut to an area over its dimensions from `first` on.
Tensor cut(Tensor whole, const std::optional<AbsoluteArea>& area, std::int64_t first) {
  if (!area) return whole;
  for (std::size_t axis = 0; axis < area->size.size(); ++axis) {
    whole =
        whole.narrow(first + static_cast<std::int64_t>(axis), area->offset[axis], area->size[axis]);
  }
  return whole;
}

/// The area in as many dimensions as the latent has, cut at its borders.
std::optional<AbsoluteArea> fitted(const std::optional<AbsoluteArea>& area, const Tensor& x) {
  if (!area) return {};
  AbsoluteArea result = *area;
  const auto dimensions = static_cast<std::size_t>(x.dim()) - 2;
  while (result.size.size() < dimensions) {
    result.size.insert(result.size.begin(), std::numeric_limits<std::int32_t>::max());
    result.offset.insert(result.offset.begin(), 0);
  }
  result.size.resize(dimensions);
  result.offset.resize(dimensions);
  for (std::size_t axis = 0; axis < dimensions; ++axis) {
    const std::int64_t whole = x.size(static_cast<std::int64_t>(axis) + 2);
    result.offset[axis] = std::clamp<std::int64_t>(result.offset[axis], 0, whole);
    result.size[axis] = std::min(whole - result.offset[axis], result.size[axis]);
  }
  return result;
}

/// Fades the weight towards those edges of the area that are not edges of the latent.
void feather(Tensor& weight, const AbsoluteArea& area, const Tensor& x) {
  for (std::size_t axis = 0; axis < area.size.size(); ++axis) {
    const auto dim = static_cast<std::int64_t>(axis) + 2;
    const std::int64_t width = std::min(kFeather, weight.size(dim) / 4);
    for (std::int64_t t = 0; t < width; ++t) {
      const double part = 1.0 / static_cast<double>(width) * static_cast<double>(t + 1);
      if (area.offset[axis] != 0) weight.narrow(dim, t, 1).mul_(part);
      if (area.size[axis] + area.offset[axis] < x.size(dim))
        weight.narrow(dim, area.size[axis] - 1 - t, 1).mul_(part);
    }
  }
}

bool same_shape(const Tensor& a, const Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || a.sizes() == b.sizes());
}

/// Whether two texts fit in one call: shorter ones are repeated, which does not change attention.
bool texts_fit(const Tensor& a, const Tensor& b) {
  if (a.sizes() == b.sizes()) return true;
  if (a.size(0) != b.size(0) || a.size(2) != b.size(2)) return false;
  const std::int64_t common = std::lcm(a.size(1), b.size(1));
  return common / std::min(a.size(1), b.size(1)) <= kLongestPadding;
}

Tensor joined_texts(const std::vector<Tensor>& texts) {
  std::int64_t length = 1;
  for (const Tensor& text : texts) length = std::lcm(length, text.size(1));
  std::vector<Tensor> padded;
  for (const Tensor& text : texts) padded.push_back(text.repeat({1, length / text.size(1), 1}));
  return at::cat(padded);
}

Tensor joined(const std::vector<Tensor>& tensors) {
  return tensors[0].defined() ? at::cat(tensors) : Tensor{};
}

}  // namespace

/// One entry's share of a call.
struct Evaluator::Part {
  std::size_t list = 0;
  Tensor x;
  Tensor weight;
  std::optional<AbsoluteArea> area;
  ModelInputs inputs;
  std::shared_ptr<const Control> control;

  bool fits(const Part& other) const {
    return x.sizes() == other.x.sizes() && control == other.control &&
           texts_fit(inputs.context, other.inputs.context) &&
           same_shape(inputs.y, other.inputs.y) && same_shape(inputs.concat, other.inputs.concat);
  }
};

const GuidanceOptions& Evaluator::guidance() const {
  static const GuidanceOptions kNone;
  const auto& options = model_.model.guidance();
  return options ? *options : kNone;
}

std::optional<Evaluator::Part> Evaluator::part(const ResolvedEntry& entry, const Tensor& x,
                                               double sigma) const {
  if (entry.start_sigma && sigma > *entry.start_sigma) return {};
  if (entry.end_sigma && sigma < *entry.end_sigma) return {};
  Part part;
  part.area = fitted(entry.area, x);
  part.control = entry.control;
  part.x = cut(x, part.area, 2);
  if (entry.mask.defined()) {
    const std::int64_t skipped =
        x.dim() - 2 - (entry.mask.dim() - 1);  // a mask of one picture for all frames
    Tensor mask = entry.mask.narrow(0, 0, std::min(entry.mask.size(0), x.size(0)));
    if (skipped == 0) mask = cut(mask, part.area, 1);
    mask = (mask * entry.mask_strength).unsqueeze(1);
    if (skipped > 0) mask = mask.unsqueeze(2);
    part.weight = repeat_to_batch(mask, x.size(0)).expand_as(part.x) * entry.strength;
  } else {
    part.weight = at::full_like(part.x, entry.strength);
    if (part.area) feather(part.weight, *part.area, x);
  }
  const std::int64_t batch = x.size(0);
  const auto per_item = [batch](const Tensor& t) {
    return t.defined() ? repeat_to_batch(t, batch) : t;
  };
  part.inputs = {
      .context = per_item(entry.inputs.context),
      .y = per_item(entry.inputs.y),
      .concat = per_item(entry.inputs.concat.defined() ? cut(entry.inputs.concat, part.area, 2)
                                                       : Tensor{})};
  return part;
}

Tensor Evaluator::run(const std::vector<Part>& parts, double sigma,
                      const models::BlockHooks* hooks) const {
  std::vector<Tensor> samples, texts, vectors, channels;
  models::DiffusionCall call;
  call.hooks = hooks;
  for (const Part& part : parts) {
    samples.push_back(part.x);
    texts.push_back(part.inputs.context);
    vectors.push_back(part.inputs.y);
    channels.push_back(part.inputs.concat);
    call.cond_or_uncond.push_back(static_cast<std::int64_t>(part.list));
  }
  const Tensor x = at::cat(samples);
  const auto device = x.device();
  const DType dtype = model_.model.weights().precision().compute;
  call.sigmas = at::full({x.size(0)}, sigma, at::TensorOptions{}.dtype(at::kFloat).device(device));
  const Tensor context = joined_texts(texts);
  const Tensor y = joined(vectors);
  std::optional<models::ControlResiduals> control;
  if (parts[0].control) {
    control = parts[0].control->residuals({x, call.sigmas, context, y, parts.size(), sampling_});
  }
  Tensor input = sampling_.calculate_input(call.sigmas, x);
  if (const Tensor extra = joined(channels); extra.defined())
    input = at::cat({input, extra.to(input.options())}, 1);
  call.x = input.to(dtype);
  call.timestep = sampling_.timestep(call.sigmas).to(at::kFloat);
  call.context = context.to(device, dtype);
  if (y.defined()) call.y = y.to(device, dtype);
  if (control) call.control = &*control;

  const NetworkFunction network = [this](const models::DiffusionCall& c) {
    return (*model_.network)(c);
  };
  const NetworkWrapper& wrapper = guidance().network_wrapper;
  const Tensor output = wrapper ? wrapper(network, call) : network(call);
  return sampling_.calculate_denoised(call.sigmas, output.to(at::kFloat), x);
}

std::vector<Tensor> Evaluator::operator()(const std::vector<const ResolvedConditioning*>& lists,
                                          const Tensor& x, double sigma,
                                          const models::BlockHooks* hooks) const {
  std::vector<Tensor> sums, weights;
  std::vector<Part> waiting;
  for (std::size_t k = 0; k < lists.size(); ++k) {
    sums.push_back(at::zeros_like(x));
    weights.push_back(at::full_like(x, kAlmostNothing));
    if (!lists[k]) continue;
    for (const ResolvedEntry& entry : *lists[k]) {
      if (auto found = part(entry, x, sigma)) {
        found->list = k;
        waiting.push_back(std::move(*found));
      }
    }
  }
  while (!waiting.empty()) {
    const Part first = waiting.front();
    std::vector<Part> together;
    std::vector<Part> later;
    for (Part& candidate : waiting)
      (candidate.fits(first) ? together : later).push_back(std::move(candidate));
    // ComfyUI stacks them last to first; batched kernels round by place.
    std::reverse(together.begin(), together.end());
    const std::vector<Tensor> predictions =
        run(together, sigma, hooks).chunk(static_cast<std::int64_t>(together.size()));
    for (std::size_t i = 0; i < together.size(); ++i) {
      const Part& done = together[i];
      cut(sums[done.list], done.area, 2).add_(predictions[i] * done.weight);
      cut(weights[done.list], done.area, 2).add_(done.weight);
    }
    waiting = std::move(later);
  }
  for (std::size_t k = 0; k < lists.size(); ++k) sums[k].div_(weights[k]);
  return sums;
}

}  // namespace comfy::conditioning
