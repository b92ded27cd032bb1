// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/conditioning/applied_control.h"

#include "inference/tensor/ops.h"
#include "inference/tensor/resample.h"

#include <algorithm>
#include <utility>

namespace comfy::conditioning {
namespace {

using models::ControlResiduals;

/// One hint for all, or as many as the batch has, once for each condition.
Tensor hints_for(const Tensor& hint, std::int64_t batch, std::size_t conditions) {
  if (hint.size(0) == 1 || hint.size(0) == batch) return hint;
  const std::int64_t each = batch / static_cast<std::int64_t>(conditions);
  Tensor some = hint.narrow(0, 0, std::min(each, hint.size(0)));
  if (each > some.size(0))
    some = some.repeat({(each + some.size(0) - 1) / some.size(0), 1, 1, 1}).narrow(0, 0, each);
  return some.repeat({static_cast<std::int64_t>(conditions), 1, 1, 1});
}

void add_to(std::vector<Tensor>& residuals, const std::vector<Tensor>& previous) {
  for (std::size_t i = 0; i < previous.size(); ++i) {
    if (i >= residuals.size())
      residuals.push_back(previous[i]);
    else if (previous[i].defined())
      residuals[i] = residuals[i].defined() ? previous[i] + residuals[i] : previous[i];
  }
}

class AppliedControl final : public Control {
 public:
  explicit AppliedControl(ControlSettings settings) : settings_{std::move(settings)} {}

  std::optional<ControlResiduals> residuals(const ControlCall& call) const override {
    std::optional<ControlResiduals> previous;
    if (settings_.previous) previous = settings_.previous->residuals(call);
    const double sigma = call.sigma[0].item<double>();
    if (sigma > call.sampling.percent_to_sigma(settings_.start_percent) ||
        sigma < call.sampling.percent_to_sigma(settings_.end_percent))
      return previous;
    ControlResiduals own = run(call);
    for (std::vector<Tensor>* part : {&own.middle, &own.output})
      for (Tensor& residual : *part) residual = weighted(residual);
    if (previous) {
      add_to(own.input, previous->input);
      add_to(own.middle, previous->middle);
      add_to(own.output, previous->output);
    }
    return own;
  }

 private:
  ControlResiduals run(const ControlCall& call) const {
    constexpr std::int64_t kPixels = 8;  // of the hint for one of the latent
    const Tensor sized =
        tensor::resample(settings_.hint, call.x.size(-1) * kPixels, call.x.size(-2) * kPixels,
                         "nearest-exact", tensor::Crop::center);
    const Tensor hint = hints_for(sized, call.x.size(0), call.conditions);
    const Tensor x = call.sampling.calculate_input(call.sigma, call.x);
    const Tensor timestep = call.sampling.timestep(call.sigma).to(at::kFloat);
    return (*settings_.network())(
        {.x = x, .timestep = timestep, .context = call.context, .y = call.y, .hint = hint});
  }

  Tensor weighted(const Tensor& residual) const {
    Tensor result = residual;
    if (settings_.pooling == ControlPooling::global_average)
      result = result.mean(at::IntArrayRef{2, 3}, /*keepdim=*/true).expand_as(result);
    return result * settings_.strength;
  }

  ControlSettings settings_;
};

}  // namespace

std::shared_ptr<const Control> applied_control(ControlSettings settings) {
  return std::make_shared<const AppliedControl>(std::move(settings));
}

}  // namespace comfy::conditioning
