// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/residency/residency.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace comfy::residency {
namespace {

struct Network {
  int number;
};
struct Encoder {
  int number;
};

Residency::Built<Network> network(int number, std::size_t bytes) {
  return {std::make_shared<Network>(Network{number}), bytes};
}

TEST(Residency, BuildsOnceAndGivesTheSameAgain) {
  Residency residency{100};
  const auto first = residency.get<Network>("a", [] { return network(1, 40); });
  const auto again = residency.get<Network>("a", [] { return network(2, 40); });
  EXPECT_EQ(first, again);
  EXPECT_EQ(again->number, 1);
  EXPECT_EQ(residency.bytes(), 40u);
}

TEST(Residency, LetsGoOfWhatWasUsedLongestAgo) {
  Residency residency{100};
  residency.get<Network>("a", [] { return network(1, 40); });
  residency.get<Network>("b", [] { return network(2, 40); });
  residency.get<Network>("a", [] { return network(9, 40); });
  residency.get<Network>("c", [] { return network(3, 40); });
  EXPECT_EQ(residency.bytes(), 80u);
  EXPECT_EQ(residency.get<Network>("a", [] { return network(9, 40); })->number, 1);
  EXPECT_EQ(residency.get<Network>("b", [] { return network(8, 40); })->number, 8);
}

TEST(Residency, KeepsTheNewestEvenAboveTheBudget) {
  Residency residency{100};
  residency.get<Network>("a", [] { return network(1, 40); });
  residency.get<Network>("big", [] { return network(2, 400); });
  EXPECT_EQ(residency.size(), 1u);
  EXPECT_EQ(residency.get<Network>("big", [] { return network(3, 1); })->number, 2);
}

TEST(Residency, TellsTypesApartUnderOneKey) {
  Residency residency{100};
  residency.get<Network>("a", [] { return network(1, 10); });
  const auto encoder = residency.get<Encoder>(
      "a", [] { return Residency::Built<Encoder>{std::make_shared<Encoder>(Encoder{7}), 10}; });
  EXPECT_EQ(encoder->number, 7);
  EXPECT_EQ(residency.size(), 2u);
}

TEST(Residency, LeavesNothingBehindWhenBuildingThrows) {
  Residency residency{100};
  EXPECT_THROW(residency.get<Network>(
                   "a", []() -> Residency::Built<Network> { throw std::runtime_error{"no"}; }),
               std::runtime_error);
  EXPECT_EQ(residency.size(), 0u);
  EXPECT_EQ(residency.get<Network>("a", [] { return network(1, 10); })->number, 1);
}

TEST(Residency, FreesEverythingAndHoldersKeepTheirs) {
  Residency residency{100};
  const auto held = residency.get<Network>("a", [] { return network(1, 10); });
  residency.free();
  EXPECT_EQ(residency.bytes(), 0u);
  EXPECT_EQ(residency.size(), 0u);
  EXPECT_EQ(held->number, 1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Residency, ShrinksWhenTheBudgetDoes) {
  Residency residency{100};
  residency.get<Network>("a", [] { return network(1, 40); });
  residency.get<Network>("b", [] { return network(2, 40); });
  residency.set_budget(50);
  EXPECT_EQ(residency.bytes(), 40u);
}

TEST(Residency, BuildsOnceForManyThreads) {
  Residency residency{100};
  std::atomic<int> built = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back(
        [&] { residency.get<Network>("a", [&] { return network(++built, 10); }); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(built, 1);
}

}  // namespace
}  // namespace comfy::residency
