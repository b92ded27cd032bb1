// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace comfy::server {

/// Names and values in the order they came: the header of a message. Names compare without case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  /// The first value of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  void add(std::string name, std::string value);
  /// Replaces every value of that name with this one.
  void set(std::string name, std::string value);

  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

/// The names and values after the question mark, decoded once; "+" is a blank.
class Query {
 public:
  Query() = default;
  /// Throws Error(invalid_input) when an escape is malformed.
  explicit Query(std::string_view text);

  /// The first value of that name.
  std::optional<std::string_view> find(std::string_view name) const;
  /// The first value of that name as a whole number. Throws Error(invalid_input) when it is none.
  std::optional<long long> find_integer(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace comfy::server
