// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/placement.h"

#include <gtest/gtest.h>

namespace comfy::jobs {
namespace {

Placement::List list(Names names) { return std::make_shared<const Names>(std::move(names)); }

TEST(Placement, KnowsWhoHasWhatAPromptNeeds) {
  Placement placement;
  placement.set_worker("plain", "c1", "m1");
  placement.set_worker("rich", "c2", "m2");
  placement.learn_classes("c1", list({"A"}));
  placement.learn_classes("c2", list({"A", "B"}));
  placement.learn_models("m1", list({"vae/x"}));
  placement.learn_models("m2", list({"vae/y"}));
  const NeedsPtr a = placement.intern({.classes = {"A"}});
  const NeedsPtr b = placement.intern({.classes = {"A", "B"}});
  const NeedsPtr x = placement.intern({.classes = {"A"}, .models = {{"old/x", "vae/x"}}});
  EXPECT_TRUE(placement.all_can_run(a));
  EXPECT_TRUE(placement.can_run("rich", b));
  EXPECT_FALSE(placement.can_run("plain", b));
  EXPECT_TRUE(placement.can_run("plain", x)) << "one of the folders that the input reads is enough";
  EXPECT_FALSE(placement.can_run("rich", x));
  EXPECT_FALSE(placement.all_can_run(x));
  EXPECT_TRUE(placement.any_can_run(x));
  EXPECT_TRUE(placement.has_class("rich", "B"));
  EXPECT_FALSE(placement.has_class("plain", "B"));
  EXPECT_EQ(placement.models(), (Names{"vae/x", "vae/y"}));
  EXPECT_EQ(placement.intern({.classes = {"A"}}), a);
}

TEST(Placement, SaysWhatNoWorkerHas) {
  Placement placement;
  const NeedsPtr both = placement.intern({.classes = {"B"}, .models = {{"vae/x"}}});
  EXPECT_EQ(placement.missing(both), "no worker is there");
  placement.set_worker("w", "c", "m");
  placement.learn_classes("c", list({}));
  placement.learn_models("m", list({}));
  EXPECT_EQ(placement.missing(both), "no worker has the node class \"B\", the model \"vae/x\"");
  placement.set_worker("v", "d", "m");
  placement.learn_classes("d", list({"B"}));
  placement.set_worker("u", "c", "n");
  placement.learn_models("n", list({"vae/x"}));
  EXPECT_FALSE(placement.any_can_run(both));
  EXPECT_EQ(placement.missing(both),
            "each thing it needs is on some worker, and no worker has all of them");
}

TEST(Placement, TakesAWorkerThatTellsNothingForOneThatHasEverything) {
  Placement placement;
  const NeedsPtr needs = placement.intern({.classes = {"A"}, .models = {{"vae/x"}}});
  placement.set_worker("old", "", "");
  EXPECT_TRUE(placement.can_run("old", needs));
  placement.set_worker("new", "c", "");
  EXPECT_FALSE(placement.can_run("new", needs)) << "its list has not come yet";
  EXPECT_TRUE(placement.can_run("new", {})) << "what is not known is found out later";
  placement.learn_classes("c", nullptr);
  EXPECT_TRUE(placement.can_run("new", needs)) << "its list is unreadable";
  EXPECT_FALSE(placement.can_run("nobody", needs));
}

TEST(Placement, ForgetsTheListsThatNoWorkerHas) {
  Placement placement;
  placement.set_worker("w", "", "m1");
  placement.learn_models("m1", list({"vae/x"}));
  placement.set_worker("w", "", "m2");
  placement.learn_models("m2", list({"vae/y"}));
  EXPECT_TRUE(placement.forget_unused("m1"));
  EXPECT_EQ(placement.models(), (Names{"vae/y"}));
  placement.remove_worker("w");
  EXPECT_EQ(placement.models(), (Names{"vae/y"})) << "it may only be starting again";
  EXPECT_TRUE(placement.forget_unused());
  EXPECT_TRUE(placement.models().empty());
}

}  // namespace
}  // namespace comfy::jobs
