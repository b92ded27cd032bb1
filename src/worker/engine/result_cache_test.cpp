// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/engine/result_cache.h"

#include "worker/engine/testing/nodes.h"

#include <gtest/gtest.h>

namespace comfy::engine {
namespace {

CacheKey key(std::uint64_t number) { return {number, 0}; }

/// A cache that is asked for room while `free_bytes` grows by what was dropped.
struct Cache {
  std::uint64_t free_bytes = 1000;
  std::size_t held = 0;
  ResultCache results{{.policy = CachePolicy::ram, .ram_headroom = 900, .available_memory = [this] {
                         return free_bytes + held - bytes();
                       }}};

  std::size_t bytes() {
    std::size_t sum = 0;
    for (std::uint64_t i = 0; i < 10; ++i)
      if (const CacheEntry* entry = results.find(key(i)); entry && entry->outputs)
        sum += entry->outputs->at(0).at(0).memory();
    return sum;
  }
  void put(std::uint64_t number, int side) {
    results.entry(key(number)).outputs =
        Outputs{{Value::of(Picture{.width = side, .height = side})}};
    held = bytes();
  }
  std::string kept() {
    std::string all;
    for (std::uint64_t i = 0; i < 10; ++i)
      if (const CacheEntry* entry = results.find(key(i)); entry && entry->outputs)
        all += std::to_string(i);
    return all;
  }
};

TEST(ResultCache, DropsTheLargestResultsWhenMemoryIsShort) {
  Cache cache;
  cache.put(1, 2);
  cache.put(2, 20);
  cache.put(3, 5);
  cache.results.begin_prompt({});
  cache.results.make_room([](const CacheKey&) { return false; });
  EXPECT_EQ(cache.kept(), "123");
  cache.free_bytes = 800;  // 190 are missing: the largest alone is more
  cache.results.make_room([](const CacheKey&) { return false; });
  EXPECT_EQ(cache.kept(), "13");
}

TEST(ResultCache, DropsTheOldestOfEqualResultsFirst) {
  Cache cache;
  cache.put(1, 20);
  cache.results.begin_prompt({});
  cache.put(2, 20);
  cache.results.begin_prompt({});
  cache.free_bytes = 800;
  cache.results.make_room([](const CacheKey&) { return false; });
  EXPECT_EQ(cache.kept(), "2");
}

TEST(ResultCache, KeepsWhatIsNeededHoweverShortMemoryIs) {
  Cache cache;
  cache.put(1, 20);
  cache.put(2, 20);
  cache.free_bytes = 0;
  cache.results.make_room([](const CacheKey& asked) { return asked == key(1); });
  EXPECT_EQ(cache.kept(), "1");
  // What this prompt shows outlives its outputs.
  EXPECT_NE(cache.results.find(key(2)), nullptr);
}

}  // namespace
}  // namespace comfy::engine
