// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/gate.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

namespace comfy::access {
namespace {

using Outcome = Gate::Outcome;

class GateTest : public testing::Test {
 protected:
  GateTest()
      : folder_{std::filesystem::temp_directory_path() /
                ("comfyui-gate-" + random_hex(system_random(), 8))} {
    std::filesystem::create_directories(folder_);
    write_keys("ann:submit:" + to_hex(sha256("annkey")) +
               "\nroot:admin:" + to_hex(sha256("rootkey")) + "\n");
  }
  ~GateTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void write_keys(const std::string& text) const {
    std::ofstream{folder_ / "keys", std::ios::trunc} << text;
  }
  Gate gate() { return Gate{{.on = true, .key_file = folder_ / "keys"}, clock_, system_random()}; }

  static Gate::Verdict with(Gate& gate, std::string_view authorization,
                            std::string_view address = "192.0.2.1") {
    return gate.judge({.authorization = authorization}, address);
  }

  std::filesystem::path folder_;
  ManualClock clock_;
};

TEST_F(GateTest, IsOpenToEverybodyWhenItIsOff) {
  Gate gate{{}, clock_, system_random()};
  const auto verdict = gate.judge({.acts_as = "ann"}, "192.0.2.1");
  EXPECT_EQ(verdict.outcome, Outcome::granted);
  EXPECT_EQ(verdict.identity.user, "default");
  EXPECT_TRUE(verdict.identity.sees_everything());
  EXPECT_FALSE(verdict.identity.authenticated);
}

TEST_F(GateTest, KnowsBearersAndBasicPasswordsByTheirKeys) {
  Gate gate = this->gate();
  const auto bearer = with(gate, "Bearer annkey");
  EXPECT_EQ(bearer.outcome, Outcome::granted);
  EXPECT_EQ(bearer.identity.user, "ann");
  EXPECT_EQ(bearer.identity.role, Role::submit);
  EXPECT_TRUE(bearer.deliberate);
  EXPECT_EQ(with(gate, "bearer   rootkey ").identity.user, "root");
  const auto basic = with(gate, "Basic d2hvZXZlcjphbm5rZXk=");  // whoever:annkey
  EXPECT_EQ(basic.identity.user, "ann");
  EXPECT_FALSE(basic.deliberate) << "browsers repeat it by themselves";
}

TEST_F(GateTest, RefusesEverythingElse) {
  Gate gate = this->gate();
  int number = 0;
  for (const std::string field :
       {"", "Bearer", "Bearer ", "Bearer x", "annkey", "Token annkey", "Bearer annkey x",
        "Bearer ANNKEY", "Basic annkey", "Basic YW5u", "Basic !!!!", "Digest annkey",
        "Bearer annkey,annkey", "Bearer \tannkeyy", "Basic d2hvZXZlcjphbm5rZXk"}) {
    const auto verdict = with(gate, field, fmt::format("192.0.2.{}", ++number));
    EXPECT_EQ(verdict.outcome, Outcome::refused) << field;
    EXPECT_EQ(verdict.reason.find("annkey"), std::string::npos);
  }
  EXPECT_EQ(gate.judge({.authorization = "Bearer annkey", .repeated = true}, "a").outcome,
            Outcome::refused);
  EXPECT_EQ(gate.judge({}, "a").outcome, Outcome::anonymous);
  EXPECT_EQ(gate.judge({.cookie = std::string(64, 'a')}, "a").outcome, Outcome::anonymous);
}

TEST_F(GateTest, AsksForPatienceAfterTenFailuresInAMinute) {
  Gate gate = this->gate();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(with(gate, "Bearer wrong").outcome, Outcome::refused) << i;
  EXPECT_EQ(with(gate, "Bearer wrong").outcome, Outcome::limited);
  EXPECT_EQ(with(gate, "Bearer annkey").outcome, Outcome::limited) << "right ones tell as much";
  EXPECT_EQ(gate.log_in("annkey", "192.0.2.1").outcome, Outcome::limited);
  EXPECT_EQ(with(gate, "Bearer annkey", "192.0.2.2").outcome, Outcome::granted);
  clock_.advance(std::chrono::seconds{59});
  EXPECT_EQ(with(gate, "Bearer annkey").outcome, Outcome::limited);
  clock_.advance(std::chrono::seconds{1});
  EXPECT_EQ(with(gate, "Bearer annkey").outcome, Outcome::granted);
}

TEST_F(GateTest, CountsAWholeIpv6NetworkAsOneAddress) {
  Gate gate = this->gate();
  for (int i = 0; i < 10; ++i) with(gate, "Bearer wrong", fmt::format("2001:db8:1:2::{:x}", i + 1));
  EXPECT_EQ(with(gate, "Bearer annkey", "2001:db8:1:2:ffff::1").outcome, Outcome::limited);
  EXPECT_EQ(with(gate, "Bearer annkey", "2001:db8:1:3::1").outcome, Outcome::granted);
}

TEST_F(GateTest, LogsABrowserInAndOut) {
  Gate gate = this->gate();
  const auto entry = gate.log_in("annkey", "a");
  ASSERT_EQ(entry.outcome, Outcome::granted);
  EXPECT_EQ(entry.lasts, std::chrono::hours{30 * 24});
  const auto verdict = gate.judge({.cookie = entry.cookie}, "a");
  EXPECT_EQ(verdict.identity.user, "ann");
  EXPECT_FALSE(verdict.deliberate);
  gate.log_out(entry.cookie);
  EXPECT_EQ(gate.judge({.cookie = entry.cookie}, "a").outcome, Outcome::anonymous);
  EXPECT_EQ(gate.log_in("wrong", "a").outcome, Outcome::refused);
  const auto late = gate.log_in("annkey", "a");
  clock_.advance(std::chrono::hours{30 * 24});
  EXPECT_EQ(gate.judge({.cookie = late.cookie}, "a").outcome, Outcome::anonymous);
}

TEST_F(GateTest, EndsSessionsOfAKeyThatIsTakenAway) {
  Gate gate = this->gate();
  const auto entry = gate.log_in("annkey", "a");
  write_keys("ann:read:" + to_hex(sha256("annkey")) + "\n");
  gate.reload();
  EXPECT_EQ(gate.judge({.cookie = entry.cookie}, "a").identity.role, Role::read);
  write_keys("ann:submit:" + to_hex(sha256("newkey")) + "\n");
  gate.reload();
  EXPECT_EQ(gate.judge({.cookie = entry.cookie}, "a").outcome, Outcome::anonymous);
  EXPECT_EQ(with(gate, "Bearer newkey").outcome, Outcome::granted);
}

TEST_F(GateTest, KeepsTheKeysItHasWhenTheFileTurnsBad) {
  Gate gate = this->gate();
  write_keys("nonsense\n");
  EXPECT_THROW(gate.reload(), Error);
  EXPECT_EQ(with(gate, "Bearer annkey").outcome, Outcome::granted);
  std::filesystem::remove(folder_ / "keys");
  EXPECT_THROW(gate.reload(), Error);
  EXPECT_EQ(with(gate, "Bearer annkey").outcome, Outcome::granted);
}

TEST_F(GateTest, LetsOnlyAnAdministratorActForAnother) {
  Gate gate = this->gate();
  const auto as = [&gate](std::string_view key, std::string_view user) {
    return gate.judge({.authorization = key, .acts_as = user}, "a");
  };
  EXPECT_EQ(as("Bearer annkey", "root").outcome, Outcome::impersonation);
  EXPECT_EQ(as("Bearer annkey", "ann").outcome, Outcome::granted);
  EXPECT_EQ(as("Bearer annkey", "").outcome, Outcome::granted);
  const auto verdict = as("Bearer rootkey", "ann");
  EXPECT_EQ(verdict.identity.user, "ann");
  EXPECT_FALSE(verdict.identity.sees_everything());
  EXPECT_EQ(as("Bearer rootkey", "../ann").outcome, Outcome::impersonation);
  EXPECT_EQ(as("Bearer rootkey", "__system").outcome, Outcome::impersonation);
}

TEST_F(GateTest, MakesOneKeyAndShowsItOnce) {
  const GateOptions options{.on = true, .state_folder = folder_ / "access"};
  Gate first{options, clock_, system_random()};
  ASSERT_TRUE(first.new_key());
  EXPECT_EQ(first.new_key()->size(), 64u);
  EXPECT_EQ(with(first, "Bearer " + *first.new_key()).identity.role, Role::admin);
  Gate second{options, clock_, system_random()};
  EXPECT_FALSE(second.new_key());
  EXPECT_EQ(with(second, "Bearer " + *first.new_key()).identity.user, "default");
  std::ifstream stream{second.generated_key_file()};
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  EXPECT_EQ(text.find(*first.new_key()), text.npos);
  std::filesystem::remove(second.generated_key_file());
  second.reload();
  ASSERT_TRUE(second.new_key());
  EXPECT_EQ(with(second, "Bearer " + *first.new_key()).outcome, Outcome::refused);
}

TEST_F(GateTest, LimitsPromptsPerUser) {
  Gate gate = this->gate();
  int passed = 0;
  while (passed < 2'000 && gate.may_submit("ann")) ++passed;
  EXPECT_EQ(passed, 1'000);
  EXPECT_TRUE(gate.may_submit("root"));
  clock_.advance(std::chrono::milliseconds{20});
  EXPECT_TRUE(gate.may_submit("ann"));
}

TEST(Cookies, AreFoundByTheirWholeName) {
  EXPECT_EQ(find_cookie("a=1; session=x; b=2", "session"), "x");
  EXPECT_EQ(find_cookie("xsession=1;session=2", "session"), "2");
  EXPECT_EQ(find_cookie("session", "session"), "");
  EXPECT_EQ(find_cookie("", "session"), "");
  EXPECT_EQ(find_cookie("sessio=1; session==", "session"), "=");
}

}  // namespace
}  // namespace comfy::access
