// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/origin_rules.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>

namespace comfy::server {
namespace {

struct Fetch {
  std::string_view site;
  std::string_view mode;
};

/// The Sec-Fetch headers of the columns of origin_verdicts.txt; empty = absent.
constexpr std::array<Fetch, 7> kFetches{{{"", ""},
                                         {"same-origin", "cors"},
                                         {"same-site", "no-cors"},
                                         {"cross-site", "navigate"},
                                         {"cross-site", "cors"},
                                         {"Cross-Site", ""},
                                         {"none", "navigate"}}};

Settings public_settings() {
  Settings settings;
  settings.external_address = "https://public.example/comfy";
  settings.allowed_hosts = {"mine.example", ".wide.example"};
  settings.allowed_origins = {"https://friend.example"};
  return settings;
}

char letter(OriginRules::Verdict verdict) {
  switch (verdict) {
    case OriginRules::Verdict::pass:
      return 'p';
    case OriginRules::Verdict::malformed:
      return 'm';
    case OriginRules::Verdict::misdirected:
      return 'h';
    case OriginRules::Verdict::foreign:
      return 'f';
  }
  return '?';
}

/// A cell of the table: "-" for an absent header, else the value in quotes.
std::optional<std::string> cell(std::string_view text) {
  if (text == "-") return {};
  return std::string{text.substr(1, text.size() - 2)};
}

Headers headers_of(const std::optional<std::string>& host, const std::optional<std::string>& origin,
                   const Fetch& fetch) {
  Headers headers;
  if (host) headers.add("Host", *host);
  if (origin) {
    for (const std::string_view part : split(*origin, '|')) {
      headers.add("Origin", std::string{part});
    }
  }
  if (!fetch.site.empty()) headers.add("Sec-Fetch-Site", std::string{fetch.site});
  if (!fetch.mode.empty()) headers.add("Sec-Fetch-Mode", std::string{fetch.mode});
  return headers;
}

TEST(OriginRules, AgreeWithTheTableOfVerdicts) {
  std::ifstream table{"tests/protocol/origin_verdicts.txt"};
  ASSERT_TRUE(table) << "run the test in the root of the repository";
  const OriginRules rules{public_settings(), "workstation"};
  std::size_t cases = 0;
  for (std::string line; std::getline(table, line);) {
    const auto cells = split(line, '\t');
    ASSERT_EQ(cells.size(), 3u);
    const auto columns = split(cells[2], ' ');
    ASSERT_EQ(columns.size(), kFetches.size());
    for (std::size_t i = 0; i < kFetches.size(); ++i) {
      const Headers headers = headers_of(cell(cells[0]), cell(cells[1]), kFetches[i]);
      const std::string got{letter(rules.judge(Method::get, "/prompt", headers)),
                            letter(rules.judge(Method::post, "/prompt", headers))};
      EXPECT_EQ(got, columns[i]) << line << " column " << i;
      cases += 2;
    }
  }
  EXPECT_GT(cases, 3'000u);
}

TEST(OriginRules, RefuseARepeatedHostAndATargetThatNamesAnotherHost) {
  const OriginRules rules{Settings{}, "box"};
  Headers headers;
  headers.add("Host", "127.0.0.1:8188");
  using Verdict = OriginRules::Verdict;
  EXPECT_EQ(rules.judge(Method::get, "http://127.0.0.1:8188/prompt", headers), Verdict::pass);
  EXPECT_EQ(rules.judge(Method::get, "http://evil.test/prompt", headers), Verdict::misdirected);
  headers.add("Host", "127.0.0.1:8188");
  EXPECT_EQ(rules.judge(Method::get, "/prompt", headers), Verdict::malformed);
}

TEST(OriginRules, LetEveryPageInWithTheCorsStarAndSendNoCredentials) {
  Settings settings;
  settings.cors_origin = "*";
  const OriginRules rules{settings, "box"};
  Headers headers;
  headers.add("Host", "127.0.0.1:8188");
  headers.add("Origin", "https://any.example");
  EXPECT_EQ(rules.judge(Method::post, "/prompt", headers), OriginRules::Verdict::pass);
  const Headers cors = rules.cors_headers(headers);
  EXPECT_EQ(cors.find("Access-Control-Allow-Origin"), "*");
  EXPECT_FALSE(cors.find("Access-Control-Allow-Credentials"));
}

TEST(OriginRules, EchoOneCorsOriginAndRefuseTheOthers) {
  Settings settings;
  settings.cors_origin = "https://app.example";
  const OriginRules rules{settings, "box"};
  Headers friendly;
  friendly.add("Host", "127.0.0.1:8188");
  friendly.add("Origin", "https://app.example");
  EXPECT_EQ(rules.judge(Method::post, "/prompt", friendly), OriginRules::Verdict::pass);
  EXPECT_EQ(rules.cors_headers(friendly).find("Access-Control-Allow-Origin"),
            "https://app.example");
  Headers foreign;
  foreign.add("Host", "127.0.0.1:8188");
  foreign.add("Origin", "https://other.example");
  EXPECT_EQ(rules.judge(Method::post, "/prompt", foreign), OriginRules::Verdict::foreign);
  EXPECT_FALSE(rules.cors_headers(foreign).find("Access-Control-Allow-Origin"));
}

TEST(OriginRules, NameAnAllowedOriginThatIsNone) {
  Settings settings;
  settings.allowed_origins = {"app.example"};
  EXPECT_THROW((OriginRules{settings, "box"}), Error);
}

}  // namespace
}  // namespace comfy::server
