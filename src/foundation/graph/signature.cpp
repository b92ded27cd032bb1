// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/graph/signature.h"

#include "foundation/base/hash.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace comfy::graph {

namespace {

/// Spells values so that different ones differ: a letter for the type, then the bytes, with a
/// length before everything of no fixed size.
class Encoder {
 public:
  void byte(char tag) { bytes_ += tag; }
  void number(std::uint64_t value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof raw);
  }
  void text(std::string_view text) {
    number(text.size());
    bytes_ += text;
  }
  /// False when the value equals nothing.
  bool value(const Json& json);
  const std::string& bytes() const { return bytes_; }

 private:
  bool object(const Json::Object& members);
  std::string bytes_;
};

bool Encoder::object(const Json::Object& members) {
  std::vector<const JsonObject::Member*> sorted;
  for (const auto& member : members) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  number(sorted.size());
  return std::all_of(sorted.begin(), sorted.end(), [this](const auto* member) {
    text(member->first);
    return value(member->second);
  });
}

bool Encoder::value(const Json& json) {
  if (json.is_null()) {
    byte('n');
  } else if (json.is_bool()) {
    byte(json.as_bool() ? 't' : 'f');
  } else if (json.is_integer()) {
    const bool negative = json.as_double() < 0;
    byte(negative ? 'm' : 'i');
    number(negative ? static_cast<std::uint64_t>(json.as_int()) : json.as_uint());
  } else if (json.is_float()) {
    const double number_value = json.as_double();
    if (std::isnan(number_value)) return false;
    byte('d');
    std::uint64_t raw = 0;
    const double normal = number_value == 0 ? 0.0 : number_value;  // -0.0 equals 0.0
    std::memcpy(&raw, &normal, sizeof raw);
    number(raw);
  } else if (json.is_string()) {
    byte('s');
    text(json.as_string());
  } else if (json.is_array()) {
    byte('a');
    number(json.as_array().size());
    return std::all_of(json.as_array().begin(), json.as_array().end(),
                       [this](const Json& item) { return value(item); });
  } else {
    byte('o');
    return object(json.as_object());
  }
  return true;
}

}  // namespace

std::optional<Signature> sign(SignatureParts parts) {
  Encoder encoder;
  encoder.text(parts.class_type);
  if (parts.id) {
    encoder.byte('I');
    encoder.text(*parts.id);
  }
  if (parts.user) {
    encoder.byte('U');
    encoder.text(*parts.user);
  }
  if (parts.change) {
    encoder.byte('C');
    if (!encoder.value(*parts.change)) return {};
  }
  std::sort(parts.inputs.begin(), parts.inputs.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const SignatureInput& input : parts.inputs) {
    encoder.byte(input.literal ? 'L' : 'W');
    encoder.text(input.name);
    if (input.literal) {
      if (!encoder.value(*input.literal)) return {};
      continue;
    }
    encoder.number(input.source.high);
    encoder.number(input.source.low);
    encoder.number(input.slot);
  }
  const Digest digest = sha256(encoder.bytes());
  Signature signature;
  std::memcpy(&signature.high, digest.data(), sizeof signature.high);
  std::memcpy(&signature.low, digest.data() + sizeof signature.high, sizeof signature.low);
  return signature;
}

}  // namespace comfy::graph
