// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/nodes/model_patches/guidance_options.h"

#include <memory>
#include <utility>

namespace comfy::nodes {
namespace {

using conditioning::GuidanceOptions;

template <class Change>
Model changed(const Model& model, std::string_view key, const Change& change) {
  auto options = model.guidance() ? std::make_shared<GuidanceOptions>(*model.guidance())
                                  : std::make_shared<GuidanceOptions>();
  change(*options);
  options->key.append("+").append(key);
  const std::string whole = options->key;
  return model.with_guidance(std::move(options), whole);
}

}  // namespace

Model with_pre_cfg(const Model& model, std::string_view key, conditioning::PreCfg change) {
  return changed(model, key, [&](GuidanceOptions& o) { o.pre_cfg.push_back(std::move(change)); });
}

Model with_cfg_function(const Model& model, std::string_view key, conditioning::CfgFunction guide) {
  return changed(model, key, [&](GuidanceOptions& o) { o.cfg_function = std::move(guide); });
}

Model with_cfg_function(
    const Model& model, std::string_view key, const Conditioning& extra,
    std::function<Tensor(const conditioning::GuidanceStep& step, std::size_t extra)> guide) {
  return changed(model, key, [&](GuidanceOptions& o) {
    o.extra_lists.push_back(extra);
    o.cfg_function = [guide = std::move(guide), number = o.extra_lists.size() - 1](
                         const conditioning::GuidanceStep& step) { return guide(step, number); };
  });
}

Model with_post_cfg(const Model& model, std::string_view key, conditioning::PostCfg change) {
  return changed(model, key, [&](GuidanceOptions& o) { o.post_cfg.push_back(std::move(change)); });
}

Model drawing_on(const Model& model, std::shared_ptr<tensor::Generator> generator) {
  return changed(model, "draws", [&](GuidanceOptions& o) {
    o.on_start.emplace_back(
        [generator = std::move(generator)](const tensor::Generator& run) { *generator = run; });
  });
}

Model with_uncond_always(const Model& model) {
  return changed(model, "uncond", [](GuidanceOptions& o) { o.always_run_uncond = true; });
}

Model with_mask_function(const Model& model, std::string_view key,
                         sampling::MaskFunction function) {
  return changed(model, key, [&](GuidanceOptions& o) { o.mask_function = std::move(function); });
}

}  // namespace comfy::nodes
