// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace comfy::graph {

/// What a node computes, as 128 bits: equal for two nodes of one class whose literal inputs, change
/// values and sources are equal. Types count: 1, 1.0 and true differ.
struct Signature {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const Signature&) const = default;
};

/// One input of a node as its signature sees it: a literal, or the signature of a source and a
/// slot.
struct SignatureInput {
  std::string_view name = {};
  const Json* literal = nullptr;  ///< set for literals
  Signature source = {};
  std::size_t slot = 0;
};

struct SignatureParts {
  std::string_view class_type = {};
  std::optional<std::string_view> id = {};    ///< set when equal nodes must not share a result
  std::optional<std::string_view> user = {};  ///< set when users must not share a result
  const Json* change = nullptr;               ///< what the change probe answered
  std::vector<SignatureInput> inputs = {};    ///< in any order; sorted by name inside
};

/// The signature of one node. Nothing when a value in it equals nothing, not even itself (a NaN).
std::optional<Signature> sign(SignatureParts parts);

}  // namespace comfy::graph

template <>
struct std::hash<comfy::graph::Signature> {
  std::size_t operator()(const comfy::graph::Signature& signature) const noexcept {
    return signature.low;
  }
};
