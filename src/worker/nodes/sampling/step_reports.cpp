// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/sampling/step_reports.h"

#include "inference/tensor/ops.h"

#include <optional>
#include <utility>

namespace comfy::nodes {
namespace {

using conditioning::SampleStep;

/// The picture that a step foresees, as small as the latent; nothing when the format has no
/// colours.
std::optional<engine::Preview> preview_of(const SampleStep& step, const Model& model) {
  const Tensor pixels = model.latent_format().preview(step.denoised);
  if (!pixels.defined()) return {};
  const Tensor bytes = pixels.to(at::kCPU).contiguous();
  const auto* data = bytes.const_data_ptr<std::uint8_t>();
  return engine::Preview{.format = engine::Preview::Format::rgb8,
                         .width = static_cast<int>(bytes.size(1)),
                         .height = static_cast<int>(bytes.size(0)),
                         .bytes = {data, data + bytes.numel()}};
}

}  // namespace

conditioning::OnSampleStep step_reports(const Model& model, engine::Context& context) {
  return [&model, &context](const SampleStep& step) {
    std::optional<engine::Preview> preview;
    if (context.wants_previews()) preview = preview_of(step, model);
    context.progress(static_cast<std::int64_t>(step.index) + 1,
                     static_cast<std::int64_t>(step.total), std::move(preview));
  };
}

}  // namespace comfy::nodes
