// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/save_name.h"

#include "foundation/base/error.h"
#include "foundation/paths/sandbox.h"

#include <gtest/gtest.h>

namespace comfy::paths {
namespace {

std::tm noon() {
  std::tm time{};
  time.tm_year = 125;
  time.tm_mon = 2;
  time.tm_mday = 4;
  time.tm_hour = 5;
  time.tm_min = 6;
  time.tm_sec = 7;
  return time;
}

SaveName name_for(const Sandbox& box, std::string_view prefix) {
  return find_save_name(Root{box.path()}, prefix, 64, 48, noon());
}

TEST(SaveName, StartsAtOne) {
  const Sandbox box;
  const SaveName name = name_for(box, "ComfyUI");
  EXPECT_TRUE(name.folder.empty());
  EXPECT_EQ(name.filename(name.counter, 0, "png"), "ComfyUI_00001_.png");
}

TEST(SaveName, CountsOnFromTheHighestNumber) {
  const Sandbox box;
  for (const char* file : {"sub/a_00007_.png", "sub/a_00003_.webp", "sub/a_b_00050_.png",
                           "sub/a_12junk.png", "sub/ab_00099_.png", "sub/a"})
    box.put(file, "");
  const SaveName name = name_for(box, "sub/a");
  EXPECT_EQ(name.folder.text(), "sub");
  EXPECT_EQ(name.counter, 8U);
}

TEST(SaveName, FillsItsTokens) {
  const Sandbox box;
  EXPECT_EQ(name_for(box, "%year%-%month%-%day%/%hour%%minute%%second%_%width%x%height%").prefix,
            "050607_64x48");
  const SaveName name = name_for(box, "%year%/x%batch_num%");
  EXPECT_EQ(name.folder.text(), "2025");
  EXPECT_EQ(name.filename(1, 3, "png"), "x3_00001_.png");
}

TEST(SaveName, NormalisesWhatStaysInside) {
  const Sandbox box;
  EXPECT_EQ(name_for(box, "./a/../b//c").folder.text(), "b");
  EXPECT_EQ(name_for(box, "a/").prefix, "a");
  EXPECT_EQ(name_for(box, "mine ").filename(1, 0, "png"), "mine _00001_.png");
}

TEST(SaveName, RefusesToLeaveTheFolder) {
  const Sandbox box;
  for (const char* prefix : {"../x", "/etc/x", "a/../../x", "a\\..\\..\\x", "a/b\nc"})
    EXPECT_THROW(name_for(box, prefix), Error) << prefix;
  try {
    name_for(box, "../x");
  } catch (const Error& error) {
    EXPECT_TRUE(error.message.starts_with(
        "Saving image outside the output folder is not allowed: filename_prefix must not"))
        << error.message;
  }
}

}  // namespace
}  // namespace comfy::paths
