// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/lanes.h"

#include <gtest/gtest.h>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

QueuedJob job(const std::string& id, const std::string& owner, double number, std::int64_t sequence,
              Class job_class = Class::normal) {
  return {.prompt_id = id,
          .owner = owner,
          .job_class = job_class,
          .number = number,
          .sequence = sequence};
}

std::string drain(Lanes& lanes) {
  std::string order;
  while (const auto next = lanes.next({})) order += next->prompt_id;
  return order;
}

TEST(Lanes, RunTheLowestNumberFirstAndThenTheOldest) {
  Lanes lanes;
  lanes.add(job("c", "", 5, 3));
  lanes.add(job("a", "", -1, 9));
  lanes.add(job("b", "", 5, 2));
  EXPECT_EQ(lanes.size(), 3u);
  EXPECT_EQ(drain(lanes), "abc");
  EXPECT_EQ(lanes.size(), 0u);
}

TEST(Lanes, RunTheHigherClassFirst) {
  Lanes lanes;
  lanes.add(job("l", "", -10, 1, Class::low));
  lanes.add(job("n", "", 5, 2));
  lanes.add(job("h", "", 9, 3, Class::high));
  EXPECT_EQ(drain(lanes), "hnl");
}

TEST(Lanes, TakeTurnsBetweenUsers) {
  Lanes lanes;
  for (int i = 0; i < 3; ++i) lanes.add(job("a" + std::to_string(i), "ann", i, i));
  for (int i = 0; i < 3; ++i) lanes.add(job("b" + std::to_string(i), "bob", 10 + i, 10 + i));
  EXPECT_EQ(drain(lanes), "a0b0a1b1a2b2");
}

TEST(Lanes, PreferTheUserWhoHasRunLess) {
  Lanes lanes;
  for (int i = 0; i < 2; ++i) lanes.charge(job("a", "ann", 0, 0), 60s, {});
  for (int i = 0; i < 2; ++i) lanes.add(job("a" + std::to_string(i), "ann", i, i));
  for (int i = 0; i < 2; ++i) lanes.add(job("b" + std::to_string(i), "bob", 10 + i, 10 + i));
  EXPECT_EQ(drain(lanes), "b0b1a0a1");
}

TEST(Lanes, CountWhatRunsAtTheUsualLength) {
  Lanes lanes;
  lanes.charge(job("x", "cid", 0, 0), 10s, {});
  for (int i = 0; i < 3; ++i) lanes.add(job("a" + std::to_string(i), "ann", i, i));
  for (int i = 0; i < 3; ++i) lanes.add(job("b" + std::to_string(i), "bob", 10 + i, 10 + i));
  auto first = lanes.next({});
  EXPECT_EQ(first->prompt_id, "a0");
  EXPECT_EQ(lanes.next({})->prompt_id, "b0");
  lanes.charge(*first, 1ms, {});  // it was a short one
  EXPECT_EQ(lanes.next({})->prompt_id, "a1");
  EXPECT_EQ(lanes.next({})->prompt_id, "a2");
  EXPECT_EQ(lanes.next({})->prompt_id, "b1");
}

TEST(Lanes, TakeNothingForAJobThatComesBack) {
  Lanes lanes;
  lanes.charge(job("x", "cid", 0, 0), 10s, {});
  lanes.add(job("a", "ann", 1, 1));
  lanes.add(job("b", "bob", 2, 2));
  lanes.add(*lanes.next({}));
  EXPECT_EQ(lanes.next({})->prompt_id, "b");
  EXPECT_EQ(lanes.next({})->prompt_id, "a");
}

TEST(Lanes, GiveAJobBackByItsId) {
  Lanes lanes;
  lanes.add(job("a", "ann", 1, 1));
  lanes.add(job("b", "ann", 2, 2));
  EXPECT_EQ(lanes.remove("a")->prompt_id, "a");
  EXPECT_FALSE(lanes.remove("a"));
  EXPECT_EQ(lanes.size_of("ann"), 1u);
  EXPECT_EQ(drain(lanes), "b");
}

}  // namespace
}  // namespace comfy::jobs
