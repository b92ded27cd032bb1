// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/logins.h"

#include "foundation/base/ids.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

namespace comfy::access {
namespace {

using std::chrono::milliseconds;

class LoginsTest : public testing::Test {
 protected:
  LoginsTest()
      : folder_{std::filesystem::temp_directory_path() /
                ("comfyui-logins-" + random_hex(system_random(), 8))} {}
  ~LoginsTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path file() const { return folder_ / "logins.json"; }
  Login login(milliseconds expires) const {
    return {.user = "ann", .role = Role::submit, .key = sha256("key"), .expires = expires};
  }
  std::filesystem::path folder_;
};

TEST_F(LoginsTest, LastUntilTheirTimeAndSurviveARestart) {
  Logins logins{file()};
  const std::string cookie =
      logins.open(login(milliseconds{100}), system_random(), milliseconds{1});
  EXPECT_EQ(cookie.size(), 64u);
  logins.save();
  const Logins again{file()};
  const auto found = again.find(cookie, milliseconds{99});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->user, "ann");
  EXPECT_EQ(found->role, Role::submit);
  EXPECT_EQ(found->key, sha256("key"));
  EXPECT_FALSE(again.find(cookie, milliseconds{100}));
  EXPECT_FALSE(again.find(std::string(64, '0'), milliseconds{1}));
  EXPECT_FALSE(again.find("", milliseconds{1}));
}

TEST_F(LoginsTest, EndWhenTheyAreClosed) {
  Logins logins{{}};
  const std::string cookie =
      logins.open(login(milliseconds{100}), system_random(), milliseconds{1});
  EXPECT_TRUE(logins.close(cookie));
  EXPECT_FALSE(logins.close(cookie));
  EXPECT_FALSE(logins.find(cookie, milliseconds{1}));
}

TEST_F(LoginsTest, KeepNoCookieInTheFileThatOnlyTheOwnerReads) {
  Logins logins{file()};
  const std::string cookie =
      logins.open(login(milliseconds{100}), system_random(), milliseconds{1});
  logins.save();
  struct stat info{};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  std::ifstream stream{file()};
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  EXPECT_EQ(text.find(cookie), text.npos);
  EXPECT_NE(text.find(to_hex(sha256(cookie))), text.npos);
}

TEST_F(LoginsTest, BeginAnewWhenTheFileIsBroken) {
  std::filesystem::create_directories(folder_);
  for (const char* text :
       {"", "{", "[]", R"({"sessions": 5})", R"({"sessions": [{}]})",
        R"({"sessions": [{"session": "a", "user": "../b", "role": "admin", "expires": 5}]})"}) {
    std::ofstream{file(), std::ios::trunc} << text;
    Logins logins{file()};
    const std::string cookie =
        logins.open(login(milliseconds{9}), system_random(), milliseconds{1});
    EXPECT_TRUE(logins.find(cookie, milliseconds{1})) << text;
  }
}

}  // namespace
}  // namespace comfy::access
