// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/signature_book.h"

#include <utility>

namespace comfy::engine {

namespace {
const Json kNull;
}  // namespace

SignatureBook::SignatureBook(const DynamicPrompt& prompt, std::string user, Change change,
                             std::uint64_t unique_from)
    : prompt_{prompt},
      user_{std::move(user)},
      change_{std::move(change)},
      unique_from_{unique_from} {}

const graph::Signature& SignatureBook::signature(NodeIndex root) {
  std::vector<std::pair<NodeIndex, std::size_t>> stack;  // node, input to look at next
  grow();
  const auto visit = [&](NodeIndex node) {
    if (pages_[node].seen) return;
    pages_[node].seen = true;
    stack.emplace_back(node, 0);
  };
  visit(root);
  while (!stack.empty()) {
    const NodeIndex node = stack.back().first;
    const auto& inputs = prompt_[node].inputs;
    if (stack.back().second == inputs.size()) {
      stack.pop_back();
      sign(node);
      continue;
    }
    const PromptInput& input = inputs[stack.back().second++];
    if (input.is_link && input.source != kNoNode) visit(input.source);
  }
  return pages_[root].signature;
}

void SignatureBook::sign(NodeIndex index) {
  const PromptNode& node = prompt_[index];
  graph::SignatureParts parts{.class_type = node.class_type};
  if (node.type && node.definition().id_matters()) parts.id = node.id;
  if (node.type && node.definition().output_node) parts.user = user_;
  const std::optional<Json> change = change_(index);
  if (change) parts.change = &*change;
  bool equals_something = true;
  for (const PromptInput& input : node.inputs) {
    graph::SignatureInput part{.name = input.name};
    if (input.is_link) {
      // A source that is not there, or that leads back here, makes the node equal to nothing.
      const bool known = input.source != kNoNode && pages_[input.source].is_signed;
      equals_something = equals_something && known;
      if (known) part.source = pages_[input.source].signature;
      part.slot = input.slot;
    } else if (const Json* literal = input.value.json()) {
      part.literal = literal;
    } else if (input.value.is_null()) {
      part.literal = &kNull;
    } else {
      equals_something = false;  // a tensor or another object put in by an expansion
    }
    parts.inputs.push_back(part);
  }
  std::optional<graph::Signature> signed_as;
  if (equals_something) signed_as = graph::sign(std::move(parts));
  pages_[index].signature = signed_as ? *signed_as : unique();
  pages_[index].is_signed = true;
}

const CacheKey& SignatureBook::key(NodeIndex node) {
  grow();
  // From the outermost ancestor inwards, so that depth costs no stack.
  std::vector<NodeIndex> chain{node};
  while (!pages_[chain.back()].has_key && prompt_[chain.back()].parent != kNoNode)
    chain.push_back(prompt_[chain.back()].parent);
  for (auto at = chain.rbegin(); at != chain.rend(); ++at) {
    if (pages_[*at].has_key) continue;
    const NodeIndex parent = prompt_[*at].parent;
    const graph::Signature own = signature(*at);
    pages_[*at].key = parent == kNoNode ? own : child_key(pages_[parent].key, own);
    pages_[*at].has_key = true;
  }
  return pages_[node].key;
}

}  // namespace comfy::engine
