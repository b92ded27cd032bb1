// SPDX-License-Identifier: GPL-3.0-or-later
#include "golden/recorded_hooks.h"

#include "inference/tensor/ops.h"

namespace comfy::golden::recorded {

using models::AttentionInputs;
using models::BlockKind;
using models::BlockPlace;

BlockHooks attention_patches() {
  BlockHooks hooks;
  hooks.attn1.emplace_back([](const AttentionInputs& i, const BlockPlace&) {
    return AttentionInputs{i.n * 1.1, i.context * 0.9, i.value + 0.05};
  });
  hooks.attn2.emplace_back([](const AttentionInputs& i, const BlockPlace&) {
    return AttentionInputs{i.n, i.context * 1.05, i.value * 0.95};
  });
  hooks.attn1_output.emplace_back([](const Tensor& n, const BlockPlace&) { return n * 0.97; });
  hooks.attn2_output.emplace_back([](const Tensor& n, const BlockPlace& place) {
    return n + 0.01 * static_cast<double>(place.transformer);
  });
  return hooks;
}

BlockHooks attention_replacements() {
  BlockHooks hooks;
  hooks.attn1_replace[{BlockKind::middle, 0, {}}] =
      [](const Tensor&, const Tensor&, const Tensor& v, const BlockPlace&) { return v; };
  hooks.attn2_replace[{BlockKind::output, 3, {}}] =
      [](const Tensor& q, const Tensor&, const Tensor&, const BlockPlace&) { return q * 0.5; };
  return hooks;
}

}  // namespace comfy::golden::recorded
