// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace comfy {

class Json;

/// The members of a JSON object in the order they were written; a name occurs once.
/// Small objects are searched in a row, larger ones through an index.
class JsonObject {
 public:
  using Member = std::pair<std::string, Json>;

  JsonObject();
  JsonObject(std::initializer_list<Member> members);
  JsonObject(const JsonObject&);
  JsonObject(JsonObject&&) noexcept;
  JsonObject& operator=(const JsonObject&);
  JsonObject& operator=(JsonObject&&) noexcept;
  ~JsonObject();

  const Json* find(std::string_view name) const;
  Json* find(std::string_view name);
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The member of that name, made null at the end when it is new.
  Json& operator[](std::string_view name);
  /// Removes a member and keeps the order of the rest. True when there was one.
  bool erase(std::string_view name);

  std::size_t size() const;
  bool empty() const;
  std::vector<Member>::const_iterator begin() const;
  std::vector<Member>::const_iterator end() const;
  std::vector<Member>::iterator begin();
  std::vector<Member>::iterator end();

  /// Equal when they hold the same members, whatever their order.
  friend bool operator==(const JsonObject& a, const JsonObject& b);

 private:
  std::size_t index_of(std::string_view name) const;
  std::vector<Member> members_;
  std::unordered_map<std::string, std::size_t> index_;
};

/// A JSON value that keeps what matters to ComfyUI's files and messages: the order of members and
/// 64-bit integers, signed and unsigned, exactly.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = JsonObject;

  Json() = default;
  Json(std::nullptr_t) {}                                 // NOLINT(google-explicit-constructor)
  Json(bool value) : value_{value} {}                     // NOLINT(google-explicit-constructor)
  Json(int value) : value_{std::int64_t{value}} {}        // NOLINT(google-explicit-constructor)
  Json(long value) : value_{std::int64_t{value}} {}       // NOLINT(google-explicit-constructor)
  Json(long long value) : value_{std::int64_t{value}} {}  // NOLINT(google-explicit-constructor)
  Json(unsigned value) : value_{std::int64_t{value}} {}   // NOLINT(google-explicit-constructor)
  Json(unsigned long value)
      : Json(static_cast<unsigned long long>(value)) {}       // NOLINT(google-explicit-constructor)
  Json(unsigned long long value);                             // NOLINT(google-explicit-constructor)
  Json(double value) : value_{value} {}                       // NOLINT(google-explicit-constructor)
  Json(const char* text) : value_{std::string{text}} {}       // NOLINT(google-explicit-constructor)
  Json(std::string_view text) : value_{std::string{text}} {}  // NOLINT(google-explicit-constructor)
  Json(std::string text) : value_{std::move(text)} {}         // NOLINT(google-explicit-constructor)
  Json(Array items) : value_{std::move(items)} {}             // NOLINT(google-explicit-constructor)
  Json(Object members) : value_{std::move(members)} {}        // NOLINT(google-explicit-constructor)
  template <class T>
  static Json array(const std::vector<T>& items) {
    return Array(items.begin(), items.end());
  }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  /// A number written without fraction or exponent (a bool is not one).
  bool is_integer() const {
    return std::holds_alternative<std::int64_t>(value_) ||
           std::holds_alternative<std::uint64_t>(value_);
  }
  bool is_float() const { return std::holds_alternative<double>(value_); }
  bool is_number() const { return is_integer() || is_float(); }

  /// The value as that type. Throws Error(invalid_input), naming both types, when it is another.
  /// Integers are range-checked; as_double takes any number.
  bool as_bool() const;
  std::int64_t as_int() const;
  std::uint64_t as_uint() const;
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();

  /// The member of that name, or nothing when this is no object or has none.
  const Json* find(std::string_view name) const;
  /// The member of that name; throws Error(invalid_input) when it is missing.
  const Json& at(std::string_view name) const;
  /// The member of that name, made null when it is new; a null becomes an object first.
  Json& operator[](std::string_view name);
  /// Member `name` when it is there, is a string and so on; otherwise `fallback`.
  std::string string_or(std::string_view name, std::string_view fallback) const;
  std::int64_t int_or(std::string_view name, std::int64_t fallback) const;
  double double_or(std::string_view name, double fallback) const;
  bool bool_or(std::string_view name, bool fallback) const;
  void push_back(Json item) { as_array().push_back(std::move(item)); }

  /// "null", "boolean", "integer", "number", "string", "array" or "object".
  const char* type_name() const;

  /// Deep equality; an integer equals an integer of the same value whatever its sign type; 1
  /// and 1.0 and true are three different values; the order of members does not matter.
  friend bool operator==(const Json& a, const Json& b);

 private:
  friend struct JsonTextWriter;
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
               Object>
      value_;
};

// A member's size is known only here, below Json.
inline std::size_t JsonObject::size() const { return members_.size(); }
inline bool JsonObject::empty() const { return members_.empty(); }
inline std::vector<JsonObject::Member>::const_iterator JsonObject::begin() const {
  return members_.begin();
}
inline std::vector<JsonObject::Member>::const_iterator JsonObject::end() const {
  return members_.end();
}
inline std::vector<JsonObject::Member>::iterator JsonObject::begin() { return members_.begin(); }
inline std::vector<JsonObject::Member>::iterator JsonObject::end() { return members_.end(); }

struct JsonLimits {
  std::size_t max_bytes = std::numeric_limits<std::size_t>::max();
  std::size_t max_depth = 256;
};

/// Reads one JSON document (UTF-8; the bare tokens NaN and Infinity are read). Throws
/// Error(invalid_input) saying what is wrong and at which byte; repeated names, deeper nesting than
/// the limit and invalid UTF-8 are refused.
Json parse_json(std::string_view text, const JsonLimits& limits = {});

/// How Python's json.dumps spells: ", " and ": " between items, \uXXXX for everything outside
/// ASCII, its shortest float digits. Numbers that are not finite are written as null.
std::string to_json(const Json& value);
/// The same with "," and ":" alone.
std::string to_compact_json(const Json& value);
/// The same on many lines, `indent` spaces a level, as Python's indent option does.
std::string to_pretty_json(const Json& value, int indent = 4);
/// One float as Python's repr writes it: 0.1, 1.0, 1e-05, 1e+16.
std::string python_float(double value);
/// A value as Python's repr would show it in a sentence: 'text', True, None, 1.5, ['a', 'b'].
std::string python_repr(const Json& value);

}  // namespace comfy
