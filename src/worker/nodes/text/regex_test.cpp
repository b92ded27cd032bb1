// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "worker/nodes/text/python_regex.h"

#include <gtest/gtest.h>

namespace comfy::nodes {
namespace {

PythonRegex regex(std::string_view pattern, const PythonRegex::Options& options = {}) {
  return PythonRegex::compile(pattern, options).value();
}

TEST(PythonRegex, FindsGroupsByNumber) {
  const auto match = regex("(\\w+)@(\\w+)").search("to: anna@home");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->group(0), "anna@home");
  EXPECT_EQ(match->group(2), "home");
  EXPECT_EQ(match->group(7), "");
  EXPECT_FALSE(regex("x").search("abc"));
}

TEST(PythonRegex, CountsLettersAndNotBytes) {
  EXPECT_EQ(regex("^.$").search("\u00e4")->group(0), "\u00e4");
  EXPECT_TRUE(regex("\\u00e4", {.ignore_case = true}).search("\u00c4"));
}

TEST(PythonRegex, LetsAnEmptyMatchFollowALongerOne) {
  EXPECT_EQ(regex("x*").replace("abxd", "-", 0), "-a-b--d-");
  EXPECT_EQ(regex("x*").find_all("axb").size(), 4U);
}

TEST(PythonRegex, FillsGroupsIntoAReplacement) {
  EXPECT_EQ(regex("(?P<first>\\w+) (\\w+)").replace("one two", "\\2 \\g<first>\\n", 0),
            "two one\n");
  EXPECT_EQ(regex("a").replace("aaa", "b", 2), "bba");
}

TEST(PythonRegex, RefusesWhatPythonRefuses) {
  EXPECT_FALSE(PythonRegex::compile("(", {}));
  EXPECT_FALSE(PythonRegex::compile("\\q", {}));
  EXPECT_FALSE(PythonRegex::compile("a\\", {}));
  EXPECT_THROW(regex("a").replace("a", "\\q", 0), Error);
  EXPECT_THROW(regex("a").replace("a", "\\1", 0), Error);
  EXPECT_THROW(regex("a").replace("a", "\\g<b>", 0), Error);
}

TEST(PythonRegex, EndsPatternsThatWouldTakeForEver) {
  const std::string text = std::string(60, 'a') + "!";
  EXPECT_THROW(regex("(a|a)*$").search(text), Error);
}

TEST(PythonRegex, EndsTheTextAtZ) { EXPECT_FALSE(regex("a\\Z").search("a\n")); }

}  // namespace
}  // namespace comfy::nodes
