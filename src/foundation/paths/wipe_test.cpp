// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/wipe.h"

#include "foundation/paths/sandbox.h"

#include <gtest/gtest.h>

namespace comfy::paths {
namespace {

using namespace std::chrono_literals;

TEST(WipeUnused, LeavesWhatIsInUseWithTheFolderAroundIt) {
  const Sandbox box;
  for (const char* name : {"temp/old/a.png", "temp/used/b.png", "temp/c.png", "temp/d.png"})
    box.put(name, "");
  const auto days_ago = std::filesystem::file_time_type::clock::now() - 50h;
  for (const char* name : {"temp/old/a.png", "temp/old", "temp/used", "temp/c.png"})
    std::filesystem::last_write_time(box / name, days_ago);
  wipe_unused(box / "temp", 24h);
  EXPECT_FALSE(std::filesystem::exists(box / "temp/old"));
  EXPECT_FALSE(std::filesystem::exists(box / "temp/c.png"));
  EXPECT_TRUE(std::filesystem::exists(box / "temp/used/b.png"));
  EXPECT_TRUE(std::filesystem::exists(box / "temp/d.png"));
}

TEST(WipeUnused, FollowsNoLinks) {
  const Sandbox box;
  box.put("keep/me.txt", "keep");
  std::filesystem::create_directory(box / "temp");
  std::filesystem::create_symlink(box / "keep", box / "temp/link");
  wipe_unused(box / "temp", -1h);
  EXPECT_TRUE(std::filesystem::is_empty(box / "temp"));
  EXPECT_EQ(box.get("keep/me.txt"), "keep");
}

TEST(WipeUnused, TakesAFolderThatIsNotThereForAnEmptyOne) {
  const Sandbox box;
  EXPECT_NO_THROW(wipe_unused(box / "nowhere", 0s));
}

}  // namespace
}  // namespace comfy::paths
