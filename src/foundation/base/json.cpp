// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

namespace comfy {
namespace {

constexpr std::size_t kIndexedFrom = 16;
constexpr std::size_t kAbsent = static_cast<std::size_t>(-1);

[[noreturn]] void wrong_type(const char* expected, const Json& found) {
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected {}, found {}", expected, found.type_name()));
}

/// The text as a number when it is one from its beginning to its end.
template <class Number>
std::optional<Number> number_of_all(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return {};
  return number;
}

/// The nearest double to a number that RapidJSON has found to be well-formed. Nothing when it is
/// too large, and for "Inf" and "-NaN", which Python does not know.
std::optional<double> nearest_double(std::string_view text) {
  using Limits = std::numeric_limits<double>;
  if (text == "NaN") return Limits::quiet_NaN();
  if (text == "Infinity") return Limits::infinity();
  if (text == "-Infinity") return -Limits::infinity();
  if (text.ends_with('f') || text.ends_with('N')) return {};
  if (const auto number = number_of_all<double>(text)) return number;
  // Out of range, but from_chars does not say at which end.
  const double number = std::strtod(std::string{text}.c_str(), nullptr);
  if (!std::isfinite(number)) return {};
  return number;
}

/// RapidJSON misses an escape that is the second half of a pair alone, and writes it as three bytes
/// that are no UTF-8.
bool has_lone_surrogate(std::string_view text) {
  return text.find('\xED') != text.npos && !is_utf8(text);
}

/// Builds a Json from RapidJSON's events, with our limits.
class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  explicit Builder(std::size_t max_depth) : max_depth_{max_depth} {}

  bool Null() { return add(nullptr); }
  bool Bool(bool value) { return add(value); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view number{text, size};
    if (number.find_first_not_of("-0123456789") == number.npos) {
      if (const auto integer = number_of_all<std::int64_t>(number)) return add(*integer);
      if (const auto integer = number_of_all<std::uint64_t>(number)) return add(*integer);
    }
    const auto nearest = nearest_double(number);
    return nearest ? add(*nearest) : fail("a number that no double comes near");
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    std::string value(text, size);
    return has_lone_surrogate(value) ? fail("half a surrogate pair") : add(std::move(value));
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    std::string name(text, size);
    if (has_lone_surrogate(name)) return fail("half a surrogate pair");
    if (open_.back().as_object().contains(name))
      return fail(fmt::format("the name \"{}\" occurs twice", name));
    keys_.push_back(std::move(name));
    return true;
  }
  bool StartObject() { return open(Json::Object{}); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(Json::Array{}); }
  bool EndArray(rapidjson::SizeType) { return close(); }

  Json result;
  std::string problem;

 private:
  bool fail(std::string text) { return problem = std::move(text), false; }
  bool open(Json container) {
    if (open_.size() >= max_depth_)
      return fail(fmt::format("nesting is deeper than {}", max_depth_));
    open_.push_back(std::move(container));
    return true;
  }
  bool close() {
    Json done = std::move(open_.back());
    open_.pop_back();
    return add(std::move(done));
  }
  bool add(Json value) {
    if (open_.empty()) return result = std::move(value), true;
    if (open_.back().is_array()) return open_.back().push_back(std::move(value)), true;
    open_.back().as_object()[keys_.back()] = std::move(value);
    keys_.pop_back();
    return true;
  }

  std::size_t max_depth_;
  std::vector<Json> open_;
  std::vector<std::string> keys_;
};

}  // namespace

JsonObject::JsonObject() = default;
JsonObject::JsonObject(const JsonObject&) = default;
JsonObject::JsonObject(JsonObject&&) noexcept = default;
JsonObject& JsonObject::operator=(const JsonObject&) = default;
JsonObject& JsonObject::operator=(JsonObject&&) noexcept = default;
JsonObject::~JsonObject() = default;

JsonObject::JsonObject(std::initializer_list<Member> members) {
  for (const Member& member : members) (*this)[member.first] = member.second;
}

std::size_t JsonObject::index_of(std::string_view name) const {
  if (!index_.empty()) {
    const auto found = index_.find(std::string{name});
    return found == index_.end() ? kAbsent : found->second;
  }
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (members_[i].first == name) return i;
  return kAbsent;
}

const Json* JsonObject::find(std::string_view name) const {
  const std::size_t at = index_of(name);
  return at == kAbsent ? nullptr : &members_[at].second;
}

Json* JsonObject::find(std::string_view name) {
  const std::size_t at = index_of(name);
  return at == kAbsent ? nullptr : &members_[at].second;
}

Json& JsonObject::operator[](std::string_view name) {
  if (Json* found = find(name)) return *found;
  members_.emplace_back(std::string{name}, Json{});
  if (!index_.empty()) index_.emplace(members_.back().first, members_.size() - 1);
  if (index_.empty() && members_.size() >= kIndexedFrom)
    for (std::size_t i = 0; i < members_.size(); ++i) index_.emplace(members_[i].first, i);
  return members_.back().second;
}

bool JsonObject::erase(std::string_view name) {
  const std::size_t at = index_of(name);
  if (at == kAbsent) return false;
  members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(at));
  index_.clear();
  if (members_.size() >= kIndexedFrom)
    for (std::size_t i = 0; i < members_.size(); ++i) index_.emplace(members_[i].first, i);
  return true;
}

Json::Json(unsigned long long value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    value_ = static_cast<std::int64_t>(value);
  else
    value_ = static_cast<std::uint64_t>(value);
}

bool Json::as_bool() const {
  if (const bool* value = std::get_if<bool>(&value_)) return *value;
  wrong_type("a boolean", *this);
}

std::int64_t Json::as_int() const {
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (std::holds_alternative<std::uint64_t>(value_))
    throw Error(Error::Kind::invalid_input, fmt::format("expected an integer below 2^63, found {}",
                                                        std::get<std::uint64_t>(value_)));
  wrong_type("an integer", *this);
}

std::uint64_t Json::as_uint() const {
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) {
    if (*value >= 0) return static_cast<std::uint64_t>(*value);
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected an integer from 0, found {}", *value));
  }
  wrong_type("an integer", *this);
}

double Json::as_double() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*value);
  wrong_type("a number", *this);
}

const std::string& Json::as_string() const {
  if (const auto* value = std::get_if<std::string>(&value_)) return *value;
  wrong_type("a string", *this);
}

const Json::Array& Json::as_array() const {
  if (const auto* value = std::get_if<Array>(&value_)) return *value;
  wrong_type("an array", *this);
}

Json::Array& Json::as_array() {
  if (is_null()) value_ = Array{};
  if (auto* value = std::get_if<Array>(&value_)) return *value;
  wrong_type("an array", *this);
}

const Json::Object& Json::as_object() const {
  if (const auto* value = std::get_if<Object>(&value_)) return *value;
  wrong_type("an object", *this);
}

Json::Object& Json::as_object() {
  if (is_null()) value_ = Object{};
  if (auto* value = std::get_if<Object>(&value_)) return *value;
  wrong_type("an object", *this);
}

const Json* Json::find(std::string_view name) const {
  const auto* object = std::get_if<Object>(&value_);
  return object == nullptr ? nullptr : object->find(name);
}

const Json& Json::at(std::string_view name) const {
  if (const Json* found = as_object().find(name)) return *found;
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected a member \"{}\", found none", name));
}

Json& Json::operator[](std::string_view name) { return as_object()[name]; }

std::string Json::string_or(std::string_view name, std::string_view fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string{fallback};
}

std::int64_t Json::int_or(std::string_view name, std::int64_t fallback) const {
  const Json* found = find(name);
  return found != nullptr && std::holds_alternative<std::int64_t>(found->value_) ? found->as_int()
                                                                                 : fallback;
}

double Json::double_or(std::string_view name, double fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_number() ? found->as_double() : fallback;
}

bool Json::bool_or(std::string_view name, bool fallback) const {
  const Json* found = find(name);
  return found != nullptr && found->is_bool() ? found->as_bool() : fallback;
}

const char* Json::type_name() const {
  if (is_integer()) return "integer";
  if (is_float()) return "number";
  if (is_bool()) return "boolean";
  if (is_string()) return "string";
  if (is_array()) return "array";
  return is_object() ? "object" : "null";
}

bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

bool operator==(const JsonObject& a, const JsonObject& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, value] : a) {
    const Json* other = b.find(name);
    if (other == nullptr || !(value == *other)) return false;
  }
  return true;
}

Json parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    throw Error(Error::Kind::too_large, fmt::format("expected JSON of at most {} bytes, found {}",
                                                    limits.max_bytes, text.size()));
  // RapidJSON takes a zero byte for the end of the text and would not look behind it.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected JSON, found an error at byte {}: a zero byte", zero));
  // RapidJSON's own reading of floats (kParseFullPrecisionFlag) looks for powers of ten outside its
  // table when a long number is near the smallest, and so may end the process.
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag |
      rapidjson::kParseNanAndInfFlag | rapidjson::kParseValidateEncodingFlag;
  Builder builder{limits.max_depth};
  rapidjson::MemoryStream memory{text.data(), text.size()};
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream{memory};
  rapidjson::Reader reader;
  const rapidjson::ParseResult outcome = reader.Parse<kFlags>(stream, builder);
  if (!outcome.IsError()) return std::move(builder.result);
  const std::string why =
      builder.problem.empty() ? rapidjson::GetParseError_En(outcome.Code()) : builder.problem;
  throw Error(Error::Kind::invalid_input,
              fmt::format("expected JSON, found an error at byte {}: {}", outcome.Offset(), why));
}

}  // namespace comfy
