// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker_settings.h"

#include "foundation/base/error.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

namespace comfy {
engine::CacheOptions cache_options(const options::Options& options,
                                   std::function<std::uint64_t()> available_memory) {
  engine::CacheOptions cache;
  cache.available_memory = std::move(available_memory);
  if (options.cache_none) cache.policy = engine::CachePolicy::none;
  if (options.cache_lru > 0) {
    cache.policy = engine::CachePolicy::lru;
    cache.lru_size = static_cast<std::size_t>(options.cache_lru);
  }
  if (!options.cache_ram.empty()) {
    constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;
    double gigabytes = 0;
    const char* end = options.cache_ram.data() + options.cache_ram.size();
    const auto [last, error] = std::from_chars(options.cache_ram.data(), end, gigabytes);
    if (error != std::errc{} || last != end || !(gigabytes >= 0 && gigabytes <= 1e6))
      throw Error(Error::Kind::invalid_input,
                  fmt::format("--cache-ram must be a number of GB from 0 up, got \"{}\"",
                              options.cache_ram));
    cache.policy = engine::CachePolicy::ram;
    cache.ram_headroom = static_cast<std::uint64_t>(gigabytes * kGibi);
  }
  return cache;
}

nodes::PrecisionPolicy precision_policy(const options::Options& options) {
  nodes::PrecisionPolicy policy;
  if (options.fp32_text_enc || options.force_fp32) policy.text_storage = DType::Float;
  return policy;
}

media::DecodeLimits decode_limits(const options::Options& options) {
  constexpr double kMebi = 1024.0 * 1024.0;
  media::DecodeLimits limits;
  if (!(options.max_decode_memory > 0))
    throw Error(
        Error::Kind::invalid_input,
        fmt::format("--max-decode-memory must be above 0 MB, got {}", options.max_decode_memory));
  limits.max_bytes = static_cast<std::size_t>(options.max_decode_memory * kMebi);
  return limits;
}

attempts::EventPipe::Options preview_options(const options::Options& options) {
  if (options.preview_size < 1 || options.preview_size > 4096)
    throw Error(Error::Kind::invalid_input,
                fmt::format("--preview-size must lie in [1, 4096], got {}", options.preview_size));
  return {.preview_side = options.preview_size};
}

std::chrono::milliseconds hold_time(const options::Options& options) {
  constexpr double kMonth = 31.0 * 24 * 3600;
  const double seconds = options.distributed_queue_hold_seconds;
  if (!(seconds >= 0 && seconds <= kMonth))
    throw Error(Error::Kind::invalid_input,
                fmt::format("--distributed-queue-hold-seconds must lie in [0, {}], got {}", kMonth,
                            seconds));
  return std::chrono::milliseconds{std::llround(seconds * 1000)};
}

}  // namespace comfy
