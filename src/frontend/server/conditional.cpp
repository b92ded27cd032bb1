// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/conditional.h"

#include "foundation/base/strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>

namespace comfy::server {
namespace {

constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::int64_t kNanoseconds = 1'000'000'000;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::string_view strong_part(std::string_view tag) {
  return tag.starts_with("W/") ? tag.substr(2) : tag;
}

/// Whether If-Range lets a range be served: no such header, or one that names this very state.
bool range_still_holds(const Headers& request, const FileVersion& file) {
  const auto condition = request.find("If-Range");
  if (!condition) return true;
  if (condition->starts_with('"')) return *condition == file.etag();
  return parse_http_date(*condition) == file.modified_ns / kNanoseconds;
}

bool not_modified(const Headers& request, const FileVersion& file) {
  if (const auto tags = request.find("If-None-Match")) return names_tag(*tags, file.etag());
  const auto since = request.find("If-Modified-Since");
  if (!since) return false;
  const auto time = parse_http_date(*since);
  return time && file.modified_ns / kNanoseconds <= *time;
}

}  // namespace

std::string FileVersion::etag() const { return fmt::format("\"{:x}-{:x}\"", modified_ns, size); }
std::string FileVersion::last_modified() const { return http_date(modified_ns / kNanoseconds); }

bool names_tag(std::string_view if_none_match, std::string_view etag) {
  for (const std::string_view part : split(if_none_match, ',')) {
    const std::string_view tag = trim(part);
    if (tag == "*" || strong_part(tag) == strong_part(etag)) return true;
  }
  return false;
}

FileAnswer evaluate(const Headers& request, const FileVersion& file) {
  const Span whole{0, file.size};
  if (not_modified(request, file)) return {304, {}};
  const auto range = request.find("Range");
  if (!range || !range_still_holds(request, file)) return {200, whole};
  const RangeAnswer answer = parse_range(*range, file.size);
  switch (answer.verdict) {
    case RangeVerdict::part:
      return {206, answer.span};
    case RangeVerdict::unsatisfiable:
      return {416, {}};
    case RangeVerdict::whole:
      break;
  }
  return {200, whole};
}

std::string http_date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  if (text.size() != 29 || !text.ends_with(" GMT")) return {};
  const auto month = std::ranges::find(kMonths, text.substr(8, 3));
  const auto day = parse_number(text.substr(5, 2));
  const auto year = parse_number(text.substr(12, 4));
  const auto hour = parse_number(text.substr(17, 2));
  const auto minute = parse_number(text.substr(20, 2));
  const auto second = parse_number(text.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second) return {};
  using namespace std::chrono;
  const year_month_day date{std::chrono::year{static_cast<int>(*year)},
                            std::chrono::month{static_cast<unsigned>(month - kMonths.begin()) + 1},
                            std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return {};
  const auto seconds = static_cast<std::int64_t>(*hour * 3600 + *minute * 60 + *second);
  return sys_days{date}.time_since_epoch().count() * 86'400LL + seconds;
}

RangeAnswer parse_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return {};
  const std::string_view range = trim(text.substr(kUnit.size()));
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos || range.find(',') != std::string_view::npos) return {};
  const auto first = parse_number(range.substr(0, dash));
  const auto last = parse_number(range.substr(dash + 1));
  if (dash == 0) {
    if (!last) return {};
    if (*last == 0 || size == 0) return {RangeVerdict::unsatisfiable, {}};
    return {RangeVerdict::part, {size - std::min(*last, size), size}};
  }
  if (!first || (!last && dash + 1 != range.size()) || (last && *last < *first)) return {};
  if (*first >= size) return {RangeVerdict::unsatisfiable, {}};
  return {RangeVerdict::part, {*first, last ? std::min(*last, size - 1) + 1 : size}};
}

}  // namespace comfy::server
