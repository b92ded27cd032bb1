// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/json.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

namespace comfy {

struct JsonTextWriter {
  std::string_view item_separator = ", ";
  std::string_view name_separator = ": ";
  int indent = 0;
  std::string text = {};

  void write(const Json& value, int level) {
    if (const auto* members = std::get_if<Json::Object>(&value.value_))
      return write_object(*members, level);
    if (const auto* items = std::get_if<Json::Array>(&value.value_))
      return write_array(*items, level);
    if (const auto* string = std::get_if<std::string>(&value.value_)) return write_string(*string);
    if (const auto* flag = std::get_if<bool>(&value.value_))
      return void(text += *flag ? "true" : "false");
    if (const auto* number = std::get_if<std::int64_t>(&value.value_))
      return void(fmt::format_to(std::back_inserter(text), "{}", *number));
    if (const auto* number = std::get_if<std::uint64_t>(&value.value_))
      return void(fmt::format_to(std::back_inserter(text), "{}", *number));
    if (const auto* number = std::get_if<double>(&value.value_))
      return void(text += std::isfinite(*number) ? python_float(*number) : "null");
    text += "null";
  }

 private:
  void line(int level) {
    if (indent > 0) text += '\n' + std::string(static_cast<std::size_t>(indent * level), ' ');
  }

  void write_object(const Json::Object& members, int level) {
    text += '{';
    bool first = true;
    for (const auto& [name, value] : members) {
      if (!first) text += item_separator;
      first = false;
      line(level + 1);
      write_string(name);
      text += name_separator;
      write(value, level + 1);
    }
    if (!first) line(level);
    text += '}';
  }

  void write_array(const Json::Array& items, int level) {
    text += '[';
    bool first = true;
    for (const Json& item : items) {
      if (!first) text += item_separator;
      first = false;
      line(level + 1);
      write(item, level + 1);
    }
    if (!first) line(level);
    text += ']';
  }

  void write_string(std::string_view string) {
    text += '"';
    while (!string.empty()) {
      const auto c = static_cast<unsigned char>(string.front());
      if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
        text += string.front();
        string.remove_prefix(1);
        continue;
      }
      write_escape(take_code_point(string));
    }
    text += '"';
  }

  void write_escape(char32_t c) {
    switch (c) {
      case '"':
        text += "\\\"";
        return;
      case '\\':
        text += "\\\\";
        return;
      case '\n':
        text += "\\n";
        return;
      case '\r':
        text += "\\r";
        return;
      case '\t':
        text += "\\t";
        return;
      case '\b':
        text += "\\b";
        return;
      case '\f':
        text += "\\f";
        return;
      case 0x7f:
        text += '\x7f';
        return;
      default:
        break;
    }
    if (c >= 0x10000) {
      c -= 0x10000;
      write_unit(0xd800 | c >> 10);
      c = 0xdc00 | (c & 0x3ff);
    }
    write_unit(c);
  }

  void write_unit(char32_t c) {
    fmt::format_to(std::back_inserter(text), "\\u{:04x}", static_cast<unsigned>(c));
  }
};

std::string to_json(const Json& value) {
  JsonTextWriter writer;
  writer.write(value, 0);
  return std::move(writer.text);
}

std::string to_compact_json(const Json& value) {
  JsonTextWriter writer{.item_separator = ",", .name_separator = ":"};
  writer.write(value, 0);
  return std::move(writer.text);
}

std::string to_pretty_json(const Json& value, int indent) {
  JsonTextWriter writer{.item_separator = ",", .indent = indent};
  writer.write(value, 0);
  return std::move(writer.text);
}

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto written =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view all{buffer, static_cast<std::size_t>(written.ptr - buffer)};
  const std::size_t e = all.find('e');
  const int exponent = std::stoi(std::string{all.substr(e + 1)});
  if (exponent < -4 || exponent >= 16)
    return fmt::format("{}e{}{:02}", all.substr(0, e), exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  char fixed[64];
  const auto end = std::to_chars(fixed, fixed + sizeof fixed, value, std::chars_format::fixed);
  std::string text{fixed, end.ptr};
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

namespace {

std::string quoted(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string made{quote};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\')
      made += '\\', made += c;
    else if (c == '\n')
      made += "\\n";
    else if (c == '\r')
      made += "\\r";
    else if (c == '\t')
      made += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      made += fmt::format("\\x{:02x}", byte);
    else
      made += c;
  }
  return made += quote;
}

}  // namespace

std::string python_repr(const Json& value) {
  if (value.is_null()) return "None";
  if (value.is_bool()) return value.as_bool() ? "True" : "False";
  if (value.is_string()) return quoted(value.as_string());
  if (value.is_float()) return python_float(value.as_double());
  std::vector<std::string> parts;
  if (value.is_array()) {
    for (const Json& item : value.as_array()) parts.push_back(python_repr(item));
    return "[" + join(parts, ", ") + "]";
  }
  if (value.is_object()) {
    for (const auto& [name, item] : value.as_object())
      parts.push_back(quoted(name) + ": " + python_repr(item));
    return "{" + join(parts, ", ") + "}";
  }
  return to_json(value);
}

}  // namespace comfy
