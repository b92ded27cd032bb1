// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/multipart.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace comfy::server {
namespace {

Error broken(std::string_view problem) {
  return Error{Error::Kind::invalid_input, fmt::format("the form {}", problem)};
}

/// Takes the parameters of a header value apart: ; name=value or ; name="value", in which a
/// backslash keeps what follows it.
class Parameters {
 public:
  explicit Parameters(std::string_view text) : rest_{text} {}

  struct Item {
    std::string name;
    std::string value;
  };

  std::optional<Item> next() {
    const auto start = rest_.find_first_not_of("; \t");
    if (start == rest_.npos) return {};
    rest_.remove_prefix(start);
    const auto equals = rest_.find_first_of("=;");
    Item item{lower(trim(rest_.substr(0, equals))), {}};
    if (equals == rest_.npos || rest_[equals] == ';') {
      rest_.remove_prefix(std::min(equals, rest_.size()));
      return item;
    }
    rest_ = trim(rest_.substr(equals + 1));
    item.value = rest_.starts_with('"') ? quoted() : plain();
    return item;
  }

 private:
  std::string plain() {
    const auto end = std::min(rest_.find(';'), rest_.size());
    const std::string value{trim(rest_.substr(0, end))};
    rest_.remove_prefix(end);
    return value;
  }
  std::string quoted() {
    std::string value;
    std::size_t at = 1;
    for (; at < rest_.size() && rest_[at] != '"'; ++at) {
      const bool escapes = rest_[at] == '\\' && at + 1 < rest_.size() &&
                           (rest_[at + 1] == '"' || rest_[at + 1] == '\\');
      if (escapes) ++at;
      value += rest_[at];
    }
    rest_.remove_prefix(std::min(at + 1, rest_.size()));
    return value;
  }

  std::string_view rest_;
};

/// What stands before the first ";" of a header value, in lower case.
std::string head_of(std::string_view value) {
  return lower(trim(value.substr(0, value.find(';'))));
}

std::string_view parameters_of(std::string_view value) {
  const auto semicolon = value.find(';');
  return semicolon == value.npos ? std::string_view{} : value.substr(semicolon);
}

std::string boundary_of(std::string_view content_type, std::size_t limit) {
  if (head_of(content_type) != "multipart/form-data")
    throw Error{Error::Kind::invalid_input,
                fmt::format("Content-Type must be multipart/form-data, got '{}'",
                            std::string{content_type.substr(0, 80)})};
  Parameters parameters{parameters_of(content_type)};
  while (const auto item = parameters.next()) {
    if (item->name != "boundary") continue;
    if (item->value.empty()) break;
    if (item->value.size() > limit)
      throw Error{Error::Kind::too_large,
                  fmt::format("boundary of a form must have at most {} bytes, got {}", limit,
                              item->value.size())};
    return item->value;
  }
  throw broken("must name its boundary in Content-Type");
}

/// A value as RFC 5987 writes it: UTF-8''percent%20encoded. Nothing for other character sets.
std::optional<std::string> extended_value(std::string_view value) {
  if (!lower(value.substr(0, 6)).starts_with("utf-8'")) return {};
  const auto second = value.find('\'', 6);
  if (second == value.npos) return {};
  return percent_decode(value.substr(second + 1));
}

/// Reads the Content-Disposition of a part; other headers do not matter.
void read_header(FormPart& part, std::string_view line) {
  const auto colon = line.find(':');
  if (colon == line.npos) throw broken("has a header without a colon");
  if (lower(trim(line.substr(0, colon))) != "content-disposition") return;
  const std::string_view value = line.substr(colon + 1);
  if (head_of(value) != "form-data") throw broken("must have form-data in every part");
  Parameters parameters{parameters_of(value)};
  bool is_extended = false;
  while (auto item = parameters.next()) {
    if (item->name == "name") {
      part.name = std::move(item->value);
    } else if (item->name == "filename*") {
      const auto name = extended_value(item->value);
      is_extended = is_extended || name.has_value();
      if (name) part.filename = name;
    } else if (item->name == "filename" && !is_extended) {
      part.filename = std::move(item->value);
    }
  }
}

FormPart read_part(std::string_view text, std::size_t max_headers) {
  // a part without headers begins with the empty line itself, one without content ends before it
  const std::string_view window = text.substr(0, max_headers + 4);
  const bool is_bare = window.starts_with("\r\n");
  const auto blank = is_bare ? 0 : window.find("\r\n\r\n");
  const bool has_content = blank != window.npos;
  if (!has_content && window.size() < text.size())
    throw Error{Error::Kind::too_large,
                fmt::format("headers of a part must have at most {} bytes", max_headers)};
  if (!has_content && !text.empty() && !text.ends_with("\r\n"))
    throw broken("has a part whose headers do not end");
  const std::size_t end = has_content ? blank : text.size();
  FormPart part;
  for (std::string_view line : split(text.substr(0, end), '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) read_header(part, line);
  }
  if (has_content) part.content = text.substr(end + (is_bare ? 2 : 4));
  return part;
}

}  // namespace

Form::Form(std::string_view content_type, std::string_view body, const MultipartLimits& limits) {
  // The mark holds one line feed only, at its start, so searching for it never looks twice at a
  // byte.
  const std::string mark = "\r\n--" + boundary_of(content_type, limits.boundary);
  const std::string_view first = std::string_view{mark}.substr(2);
  std::size_t at = 0;
  if (body.starts_with(first)) {
    at = first.size();
  } else {
    at = body.find(mark);
    if (at == body.npos) throw broken("does not hold its boundary");
    at += mark.size();
  }
  while (!body.substr(at).starts_with("--")) {
    const auto line = body.find_first_not_of(" \t", at);
    if (line == body.npos || !body.substr(line).starts_with("\r\n"))
      throw broken("has a boundary that is followed by something else");
    if (parts_.size() == limits.parts)
      throw Error{Error::Kind::too_large,
                  fmt::format("form must have at most {} parts", limits.parts)};
    at = line + 2;
    // an empty part ends with the line that its own boundary ended with
    const auto end = body.find(mark, at - 2);
    if (end == body.npos) throw broken("ends within a part");
    parts_.push_back(read_part(body.substr(at, std::max(end, at) - at), limits.part_headers));
    at = end + mark.size();
  }
}

const FormPart* Form::find(std::string_view name) const {
  const auto part = std::ranges::find(parts_, name, &FormPart::name);
  return part == parts_.end() ? nullptr : &*part;
}

std::string Form::text_or(std::string_view name, std::string_view otherwise) const {
  const FormPart* part = find(name);
  return std::string{part == nullptr || part->filename ? otherwise : part->content};
}

}  // namespace comfy::server
