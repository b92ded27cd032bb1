// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace comfy::bench {

/// A number from the environment, or `fallback`.
inline std::int64_t setting(const char* name, std::int64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoll(text, nullptr, 10);
}

/// Seconds that each of `times` calls took, after one that is not counted.
inline std::vector<double> time_calls(int times, const std::function<void()>& call) {
  std::vector<double> seconds;
  call();
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return seconds;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// One line of results on standard output, as docs of the benchmarks describe it.
///
/// values: one figure for each sample; the median counts. more: further members of the line.
inline void print_result(const std::string& bench, const std::string& name, const std::string& unit,
                         const std::vector<double>& values, Json more = Json::Object{}) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double middle = median(values);
  Json line = Json::Object{{"bench", bench},
                           {"case", name},
                           {"value", middle},
                           {"unit", unit},
                           {"n", values.size()},
                           {"median", middle},
                           {"min", *least},
                           {"max", *most},
                           {"spread", middle > 0 ? (*most - *least) / middle : 0.0}};
  for (const auto& [key, value] : more.as_object()) line[key] = value;
  if (line.find("ratio") == nullptr) {
    line["baseline"] = nullptr;
    line["ratio"] = nullptr;
  }
  fmt::print("{}\n", to_json(line));
  std::fflush(stdout);
}

}  // namespace comfy::bench
