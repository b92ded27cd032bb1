// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/fields.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace comfy::server {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return fold(x) == fold(y);
  });
}

std::string decode_part(std::string_view part) {
  auto text = percent_decode(replace_all(std::string{part}, "+", " "));
  if (!text) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("the query must be percent-encoded, got \"{}\"", part)};
  }
  return *std::move(text);
}

}  // namespace

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (same_name(key, name)) return value;
  }
  return {};
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      fields_, [name](const Field& field) { return same_name(field.first, name); }));
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string name, std::string value) {
  std::erase_if(fields_, [&name](const Field& field) { return same_name(field.first, name); });
  add(std::move(name), std::move(value));
}

Query::Query(std::string_view text) {
  if (text.empty()) return;
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    std::string value =
        equals == std::string_view::npos ? std::string{} : decode_part(part.substr(equals + 1));
    fields_.emplace_back(decode_part(part.substr(0, equals)), std::move(value));
  }
}

std::optional<std::string_view> Query::find(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (key == name) return value;
  }
  return {};
}

std::optional<long long> Query::find_integer(std::string_view name) const {
  const auto text = find(name);
  if (!text) return {};
  long long value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("{} must be a whole number, got \"{}\"", name, *text)};
  }
  return value;
}

}  // namespace comfy::server
