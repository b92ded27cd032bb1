// SPDX-License-Identifier: GPL-3.0-or-later
// Conversations recorded from ComfyUI 0.3.64, repeated against this server.
#include "foundation/base/strings.h"
#include "frontend/server/loopback_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace comfy::server {
namespace {

namespace fs = std::filesystem;

fs::path recorded_folder() {
  const char* shared = std::getenv("COMFY_SHARED");
  return fs::path{shared != nullptr ? shared : "../shared"} / "reference";
}

std::optional<Json> read_json(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return {};
  std::ostringstream text;
  text << file.rdbuf();
  return parse_json(text.str());
}

Ask ask_of(const Json& request) {
  Ask ask;
  ask.method = request.string_or("method", "GET");
  ask.target = request.string_or("path", "/");
  if (const Json* headers = request.find("headers")) {
    for (const auto& [name, value] : headers->as_object()) {
      if (name == "Host") {
        ask.host = value.as_string();
      } else {
        ask.headers.emplace_back(name, value.as_string());
      }
    }
  }
  if (const Json* json = request.find("json")) ask.body = to_json(*json);
  if (const Json* raw = request.find("raw")) ask.body = raw->as_string();
  return ask;
}

/// Where this server means to differ from what was recorded, and with which status.
const std::map<std::string, unsigned>& deliberate() {
  static const std::map<std::string, unsigned> kStatus{
      {"GET /history?max_items=abc", 400},  // 500 for bad input there
      {"POST /free ", 400},
      {"POST /queue {\"delete\": \"x\"}", 400},  // its letters taken for ids there
      {"POST /queue {\"delete\": 5}", 400},
      {"POST /history {\"delete\": 5}", 400},
      {"PATCH /internal/logs/subscribe {\"enabled\": false}", 400},
      {"GET /prompt null", 403},               // Origin: null passes there
      {"GET /prompt non-loopback host", 403},  // foreign origins pass there for such hosts
      {"GET /global_subgraphs", 200},          // newer than the recorded version
  };
  return kStatus;
}

std::string key_of(const Json& step, const Ask& ask) {
  std::string key = ask.method + " " + ask.target;
  const std::string name = step.string_or("name", "");
  if (!name.empty()) return key + " " + name;
  return ask.method == "GET" ? key : key + " " + ask.body;
}

/// Facts of the machine and of this build: only their types can agree.
const std::set<std::string>& own_facts() {
  static const std::set<std::string> kPaths{"/system_stats", "/models", "/extensions",
                                            "/embeddings", "/internal/logs/raw"};
  return kPaths;
}

/// Whether every member that was recorded is there, of the same type; numbers of any kind agree.
bool has_shape_of(const Json& ours, const Json& recorded) {
  // Such as the index of a device, or a version where the package is not there.
  if (recorded.is_null() || ours.is_null()) return true;
  if (recorded.is_number()) return ours.is_number();
  if (recorded.is_object()) {
    if (!ours.is_object()) return false;
    return std::ranges::all_of(recorded.as_object(), [&ours](const auto& member) {
      const Json* mine = ours.find(member.first);
      return mine != nullptr && has_shape_of(*mine, member.second);
    });
  }
  return std::string{ours.type_name()} == recorded.type_name();
}

void compare_body(const std::string& key, const std::string& target, const Json& expected,
                  const Reply& reply) {
  const std::string bare = target.starts_with("/api/") ? target.substr(4) : target;
  if (const Json* json = expected.find("json")) {
    const Json ours = reply.json();
    if (own_facts().contains(bare)) {
      EXPECT_TRUE(has_shape_of(ours, *json)) << key << "\n" << reply.body;
    } else if (bare == "/features") {
      // A newer editor is told of more than the recorded one.
      for (const auto& [name, value] : json->as_object()) EXPECT_EQ(ours.at(name), value) << key;
    } else {
      EXPECT_EQ(ours, *json) << key;
    }
  } else if (const Json* text = expected.find("text")) {
    const bool is_page = text->as_string().starts_with("<!doctype") || target.starts_with("/docs/");
    if (!is_page) {
      EXPECT_EQ(reply.body, text->as_string()) << key;
    }
  } else if (expected.string_or("body", "x").empty()) {
    EXPECT_EQ(reply.body, "") << key;
  }
}

/// Replays the steps of a group that `wanted` picks, and compares status, type and JSON.
template <class Wanted>
std::size_t replay(const LoopbackServer& server, const std::string& group, Wanted wanted) {
  const auto file = read_json(recorded_folder() / "http" / (group + ".json"));
  if (!file) return 0;
  std::size_t compared = 0;
  for (const Json& step : file->at("steps").as_array()) {
    const Ask asked = ask_of(step.at("request"));
    if (!wanted(asked)) continue;
    const std::string key = key_of(step, asked);
    const Json& expected = step.at("response");
    const Reply reply = ask(server, asked);
    ++compared;
    const auto other = deliberate().find(key);
    if (other != deliberate().end()) {
      EXPECT_EQ(reply.status, other->second) << key;
      continue;
    }
    EXPECT_EQ(reply.status, expected.int_or("status", 0)) << key << "\n" << reply.body;
    const Json& headers = expected.at("headers");
    if (const Json* allow = headers.find("Allow")) {
      EXPECT_EQ(reply.header("Allow"), allow->as_string()) << key;
    }
    if (const Json* cache = headers.find("Cache-Control")) {
      EXPECT_EQ(reply.header("Cache-Control"), cache->as_string()) << key;
    }
    if (headers.string_or("Content-Type", "").starts_with("application/json")) {
      EXPECT_EQ(reply.header("Content-Type"), headers.string_or("Content-Type", "")) << key;
    }
    compare_body(key, asked.target, expected, reply);
  }
  return compared;
}

bool is_answered_here(const Ask& ask) {
  static const std::set<std::string> kElsewhere{"/api/embeddings"};
  return !kElsewhere.contains(ask.target);
}

#define REQUIRE_RECORDINGS()                                                    \
  if (!fs::exists(recorded_folder() / "http"))                                  \
  GTEST_SKIP() << "no recorded conversations in " << recorded_folder().string() \
               << " (COMFY_SHARED names the folder)"

TEST(Replay, OfTheInformationRoutesAgrees) {
  REQUIRE_RECORDINGS();
  const LoopbackServer server;
  EXPECT_GT(replay(server, "info", is_answered_here), 20u);
}

TEST(Replay, OfTheControlRoutesAgrees) {
  REQUIRE_RECORDINGS();
  const LoopbackServer server;
  EXPECT_GT(replay(server, "control", [](const Ask&) { return true; }), 10u);
}

TEST(Replay, OfTheOriginCheckAgrees) {
  REQUIRE_RECORDINGS();
  const LoopbackServer server;
  EXPECT_EQ(replay(server, "origin", [](const Ask&) { return true; }), 12u);
}

TEST(Replay, OfTheStaticFilesAgrees) {
  REQUIRE_RECORDINGS();
  const LoopbackServer server;
  EXPECT_GT(replay(server, "static", [](const Ask&) { return true; }), 8u);
}

TEST(Replay, OfTheLogRoutesAgrees) {
  REQUIRE_RECORDINGS();
  const LoopbackServer server;
  const auto logs = [](const Ask& ask) { return ask.target.find("logs") != std::string::npos; };
  EXPECT_GT(replay(server, "internal", logs), 2u);
}

TEST(Replay, OfInvalidPromptsIsAnsweredAndNeverWith500) {
  const auto cases = read_json(recorded_folder() / "invalid_prompts-0.3.64.json");
  if (!cases) GTEST_SKIP() << "no recorded prompts (COMFY_SHARED names their folder)";
  const LoopbackServer server;
  for (const Json& item : cases->as_array()) {
    const Json& request = item.at("request");
    const std::string body = request.is_string() ? request.as_string() : to_json(request);
    const Reply reply = ask(server, {.method = "POST", .target = "/prompt", .body = body});
    EXPECT_TRUE(reply.status == 200 || reply.status == 400) << reply.status << body << reply.body;
    if (reply.status == 400) {
      EXPECT_NE(reply.json().find("error"), nullptr) << body;
      EXPECT_NE(reply.json().find("node_errors"), nullptr) << body;
    }
  }
}

/// Requests that stop ComfyUI's worker thread or its whole process.
TEST(Replay, OfRequestsThatStopTheOriginalLeavesThisServerAlive) {
  const auto cases = read_json(recorded_folder() / "robustness-0.3.64.json");
  if (!cases) GTEST_SKIP() << "no recorded requests (COMFY_SHARED names their folder)";
  static const std::set<std::string> kRefused{"extra_data_null", "extra_data_string",
                                              "client_id_object"};
  const LoopbackServer server;
  for (const Json& item : cases->as_array()) {
    const Json& request = item.at("request");
    if (request.is_null()) continue;
    const std::string body = request.is_string() ? request.as_string() : to_json(request);
    const Reply reply = ask(server, {.method = "POST", .target = "/prompt", .body = body});
    const std::string name = item.string_or("name", "");
    EXPECT_TRUE(reply.status == 200 || reply.status == 400) << name << reply.status;
    if (kRefused.contains(name)) {
      EXPECT_EQ(reply.status, 400u) << name << reply.body;
    }
    EXPECT_EQ(ask(server, {.target = "/prompt"}).status, 200u) << name;
  }
}

}  // namespace
}  // namespace comfy::server
