// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/route.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace comfy::server {
namespace {

using Segments = std::vector<std::string_view>;

/// The segments after the leading slash.
Segments segments_of(std::string_view path) {
  if (!path.starts_with('/')) return {path};
  return split(path.substr(1), '/');
}

bool is_parameter(std::string_view segment) { return segment.starts_with('{'); }
bool is_rest(std::string_view segment) { return segment.ends_with("...}"); }

/// What the parameters of `pattern` match in `path`; nothing when it does not fit.
std::optional<std::vector<std::string>> fit(const Segments& pattern,
                                            std::span<const std::string_view> path) {
  const bool open = !pattern.empty() && is_rest(pattern.back());
  if (open ? path.size() < pattern.size() : path.size() != pattern.size()) return {};
  std::vector<std::string> parameters;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (!is_parameter(pattern[i])) {
      if (pattern[i] != path[i]) return {};
      continue;
    }
    std::string value;
    const std::size_t end = is_rest(pattern[i]) ? path.size() : i + 1;
    for (std::size_t j = i; j < end; ++j) {
      const auto decoded = percent_decode(path[j]);
      if (!decoded || decoded->empty()) return {};
      if (j > i) value += '/';
      value += *decoded;
    }
    parameters.push_back(std::move(value));
  }
  return parameters;
}

/// Whether `a` is more fixed than `b`: the first difference decides.
bool more_fixed(const Segments& a, const Segments& b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (is_parameter(a[i]) != is_parameter(b[i])) return is_parameter(b[i]);
    if (is_rest(a[i]) != is_rest(b[i])) return is_rest(b[i]);
  }
  return false;
}

}  // namespace

std::optional<access::Role> needed_role(const Route& route) {
  switch (route.access) {
    case Access::open:
      return {};
    case Access::read:
      return access::Role::read;
    case Access::submit:
      return access::Role::submit;
    case Access::admin:
      return access::Role::admin;
    case Access::by_method:
      break;
  }
  return route.method == Method::get ? access::Role::read : access::Role::submit;
}

RouteTable::RouteTable(std::vector<Route> rows) : rows_{std::move(rows)} {
  for (const Route& row : rows_) {
    if (!row.pattern.starts_with('/') || row.handler == nullptr) {
      throw Error{Error::Kind::internal,
                  fmt::format("route \"{}\" must begin with / and have a handler", row.pattern)};
    }
    segments_.push_back(segments_of(row.pattern));
  }
}

RouteMatch RouteTable::match(Method method, std::string_view path) const {
  const Segments all = segments_of(path);
  std::span<const std::string_view> bare{all};
  const bool aliased = all.size() > 1 && all.front() == "api";
  if (aliased) bare = bare.subspan(1);

  RouteMatch result;
  const Segments* best = nullptr;
  const auto consider = [&](std::size_t row, std::span<const std::string_view> segments) {
    auto parameters = fit(segments_[row], segments);
    if (!parameters) return;
    result.methods_of_path.push_back(rows_[row].method);
    if (rows_[row].method != method || (best && !more_fixed(segments_[row], *best))) return;
    best = &segments_[row];
    result.route = &rows_[row];
    result.parameters = *std::move(parameters);
  };
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    consider(row, all);
    if (aliased && rows_[row].alias == Alias::api) consider(row, bare);
  }
  return result;
}

}  // namespace comfy::server
