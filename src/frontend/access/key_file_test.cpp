// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/key_file.h"

#include "foundation/base/error.h"
#include "frontend/access/gate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace comfy::access {
namespace {

std::string line(const std::string& name, const std::string& role, const std::string& key) {
  return fmt::format("{}:{}:{}\n", name, role, to_hex(sha256(key)));
}

std::string refusal(const std::string& text) {
  try {
    parse_keys(text, "keys");
    return "accepted";
  } catch (const Error& error) {
    return error.message;
  }
}

TEST(KeyFile, NamesHoldersAndRoles) {
  const KeyRing keys{parse_keys(
      "# people\n\n" + line("ann", "read", "a") + line("bob@example.org", "submit", "b") + "  " +
          line("root", "admin", "c") + "ci:submit:sha256:" + to_hex(sha256("d")),
      "keys")};
  EXPECT_EQ(keys.size(), 4u);
  EXPECT_EQ(keys.find("a")->name, "ann");
  EXPECT_EQ(keys.find("b")->role, Role::submit);
  EXPECT_EQ(keys.find("c")->role, Role::admin);
  EXPECT_EQ(keys.find("d")->name, "ci");
  EXPECT_EQ(keys.find("e"), nullptr);
  EXPECT_EQ(keys.find(""), nullptr);
  EXPECT_EQ(keys.find(to_hex(sha256("a"))), nullptr) << "a hash is no key";
}

TEST(KeyFile, TakesAnOldAndANewKeyForOneName) {
  const KeyRing keys{parse_keys(line("ann", "read", "old") + line("ann", "admin", "new"), "keys")};
  EXPECT_EQ(keys.find("old")->role, Role::read);
  EXPECT_EQ(keys.find("new")->role, Role::admin);
}

TEST(KeyFile, RefusesABadLineByItsNumberWithoutShowingIt) {
  const std::string good = line("ann", "read", "a");
  for (const std::string& bad : std::vector<std::string>{
           "secret", "ann:secret", "ann:root:" + to_hex(sha256("x")), "ann:read:secret",
           "ann:read:" + std::string(63, 'a'), "ann:read:" + std::string(65, 'a'),
           "ann:read:" + std::string(64, 'A'), "ann:read:" + std::string(64, 'g'),
           "::", ":read:" + to_hex(sha256("x")), "__ann:read:" + to_hex(sha256("x")),
           "../ann:read:" + to_hex(sha256("x")), "a b:read:" + to_hex(sha256("x")),
           ".ann:read:" + to_hex(sha256("x")), "ann.:read:" + to_hex(sha256("x")),
           std::string(65, 'n') + ":read:" + to_hex(sha256("x")),
           "ann:read:md5:" + to_hex(sha256("x")), "ann:Read:" + to_hex(sha256("x")),
           "ann:read:" + to_hex(sha256("x")) + ":more"}) {
    const std::string message = refusal(good + bad + "\n");
    EXPECT_TRUE(message.starts_with("keys:2: ")) << bad << " -> " << message;
    EXPECT_EQ(message.find("secret"), message.npos) << message;
  }
  EXPECT_NE(refusal(good + line("bob", "read", "a")), "accepted") << "one key, two names";
}

TEST(UserIds, OfOtherSubjectsNeverMeetAndAlwaysNameAFolder) {
  const std::vector<std::string> subjects{"ann",
                                          "Ann",
                                          "..",
                                          "../x",
                                          "a/b",
                                          "a b",
                                          "",
                                          "__ann",
                                          "auth0|1",
                                          "auth0|2",
                                          ".x",
                                          "x.",
                                          std::string(65, 'x'),
                                          std::string(66, 'x'),
                                          "\xC3\xA9",
                                          "a\nb"};
  std::vector<std::string> ids;
  for (const std::string& subject : subjects) {
    const std::string id = user_id_of(subject);
    EXPECT_TRUE(is_user_id(id)) << id;
    EXPECT_EQ(std::ranges::find(ids, id), ids.end()) << id;
    ids.push_back(id);
  }
  EXPECT_EQ(ids.front(), "ann");
}

}  // namespace
}  // namespace comfy::access
