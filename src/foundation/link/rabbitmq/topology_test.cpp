// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/topology.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

namespace comfy::link {
namespace {

TEST(Topology, NamesEverythingAfterTheQueueAndTheStore) {
  const Topology topology{"studio"};
  EXPECT_EQ(topology.jobs(Urgency::high), "comfy.jobs.studio.high");
  EXPECT_EQ(topology.jobs(Urgency::normal), "comfy.jobs.studio.normal");
  EXPECT_EQ(topology.jobs(Urgency::low), "comfy.jobs.studio.low");
  EXPECT_EQ(topology.results("s1"), "comfy.results.studio.s1");
  EXPECT_EQ(topology.leases("s1"), "comfy.leases.studio.s1");
  EXPECT_EQ(topology.dead(), "comfy.dead.studio");
  EXPECT_EQ(topology.events("f"), "comfy.events.studio.f");
  EXPECT_EQ(topology.previews("f"), "comfy.previews.studio.f");
  EXPECT_EQ(topology.key("s1"), "studio.s1");
  EXPECT_EQ(topology.key_of_all(), "studio.all");
}

TEST(Topology, KnowsTheWorkerOfAQueueAndNothingElse) {
  const Topology topology{"studio"};
  EXPECT_EQ(topology.worker_of(topology.worker("w.1")), "w.1");
  for (const char* name : {"", "comfy.worker.studio.", "comfy.worker.other.w",
                           "comfy.results.studio.s", "w.1", "x.comfy.worker.studio.w"})
    EXPECT_EQ(topology.worker_of(name), "") << name;
}

TEST(Topology, HidesTheUserInTheKeysOfEvents) {
  const Topology topology{"studio"};
  const std::string key = topology.event_key("s1", "alice@example.org", "p");
  EXPECT_EQ(key.find("alice"), std::string::npos);
  EXPECT_TRUE(key.starts_with("studio.s1."));
  EXPECT_TRUE(key.ends_with(".p"));
  EXPECT_EQ(key.size(), std::string{"studio.s1."}.size() + 16 + 2);
  EXPECT_NE(key, topology.event_key("s1", "bob@example.org", "p"));
}

TEST(Topology, KeysFitWhateverTheNames) {
  const Topology topology{std::string(128, 'q')};
  EXPECT_LE(topology.event_key("0123456789abcdef", "me", std::string(128, 'p')).size(), 255U);
}

TEST(Topology, RefusesNamesThatMeanSomethingElseInAKey) {
  for (const std::string& name : {std::string{}, std::string{"a b"}, std::string{"a#"},
                                  std::string{"a*"}, std::string{"a/b"}, std::string(129, 'q')})
    EXPECT_THROW(Topology{name}, Error) << name;
  EXPECT_NO_THROW(Topology{"Az09._-"});
}

}  // namespace
}  // namespace comfy::link
