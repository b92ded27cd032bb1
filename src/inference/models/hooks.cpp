// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/models/hooks.h"

namespace comfy::models {
namespace {

template <class T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void replace(std::map<BlockAddress, BlockHooks::Attention>& to,
             const std::map<BlockAddress, BlockHooks::Attention>& more) {
  for (const auto& [address, function] : more) to.insert_or_assign(address, function);
}

}  // namespace

bool BlockHooks::empty() const {
  return emb.empty() && input_block.empty() && input_block_after_skip.empty() &&
         output_block.empty() && middle.empty() && attn1.empty() && attn2.empty() &&
         attn1_output.empty() && attn2_output.empty() && attn1_replace.empty() &&
         attn2_replace.empty();
}

BlockHooks BlockHooks::joined(const BlockHooks& other) const {
  BlockHooks both = *this;
  append(both.emb, other.emb);
  append(both.input_block, other.input_block);
  append(both.input_block_after_skip, other.input_block_after_skip);
  append(both.output_block, other.output_block);
  append(both.middle, other.middle);
  append(both.attn1, other.attn1);
  append(both.attn2, other.attn2);
  append(both.attn1_output, other.attn1_output);
  append(both.attn2_output, other.attn2_output);
  replace(both.attn1_replace, other.attn1_replace);
  replace(both.attn2_replace, other.attn2_replace);
  both.key = key.empty() ? other.key : other.key.empty() ? key : key + "+" + other.key;
  return both;
}

}  // namespace comfy::models
