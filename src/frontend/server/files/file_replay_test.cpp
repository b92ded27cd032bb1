// SPDX-License-Identifier: GPL-3.0-or-later
// The recorded conversations of the file routes, repeated against this server.
// Every difference that is meant stands in docs/compatibility.md too.
#include "foundation/base/hash.h"
#include "foundation/media/convert.h"
#include "foundation/media/decode.h"
#include "frontend/server/files/form_body.h"
#include "frontend/server/loopback_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace comfy::server {
namespace {

namespace fs = std::filesystem;

fs::path reference() {
  const char* shared = std::getenv("COMFY_SHARED");
  return fs::path{shared != nullptr ? shared : "../shared"} / "reference";
}

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Steps, by index within their group, that this server means to answer otherwise.
const std::map<std::string, std::map<std::int64_t, unsigned>> kDeliberate{
    {"upload_image", {{10, 400}, {12, 400}, {16, 200}, {17, 400}, {19, 400}}},
    {"upload_mask", {{0, 400}, {3, 404}, {4, 400}, {5, 400}, {6, 400}}},
    {"view", {{31, 403}, {34, 400}}},
    {"userdata", {{35, 400}}},
    {"settings_users", {{9, 400}, {10, 400}, {16, 400}, {17, 400}}},
    {"models", {{17, 404}}},
};

class FileReplay : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(reference() / "http"))
      GTEST_SKIP() << "no recorded conversations in " << reference()
                   << " (COMFY_SHARED names the folder above)";
    fs::copy(reference() / "fixtures", server.base().path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    for (const auto& entry : fs::recursive_directory_iterator{server.base().path()})
      fs::permissions(entry.path(), fs::perms::owner_all, fs::perm_options::add);
  }

  void replay(const std::string& group, std::size_t least);
  void compare(const std::string& group, const Json& step, const Reply& reply);

  LoopbackServer server{[] {
    Settings settings;
    settings.limits.min_free_space = 0;
    return settings;
  }()};
};

Ask ask_of(const Json& request) {
  if (const Json* form = request.find("form")) {
    std::vector<Field> fields;
    for (const Json& field : form->as_array()) fields.push_back(recorded_field(field));
    return form_ask(request.at("path").as_string(), fields);
  }
  Ask ask{.method = request.string_or("method", "GET"), .target = request.at("path").as_string()};
  if (const Json* headers = request.find("headers"))
    for (const auto& [name, value] : headers->as_object())
      ask.headers.emplace_back(name, value.as_string());
  if (const Json* json = request.find("json")) ask.body = to_json(*json);
  if (const Json* raw = request.find("raw")) ask.body = raw->as_string();
  return ask;
}

/// The value without what differs from run to run, lists of names sorted.
Json comparable(Json value) {
  if (value.is_object()) {
    for (const char* name : {"modified", "created"}) {
      Json* time = value.as_object().find(name);
      if (time == nullptr) continue;
      EXPECT_TRUE(time->is_float()) << name;
      *time = 0.0;
    }
    return value;
  }
  if (value.is_string() && value.as_string().starts_with("bob_")) return "bob_<uuid>";
  if (!value.is_array()) return value;
  Json::Array items;
  for (Json& item : value.as_array()) items.push_back(comparable(std::move(item)));
  std::ranges::sort(items, {}, [](const Json& item) { return to_json(item); });
  return items;
}

void compare_bytes(const Json& expected, const Reply& reply) {
  if (to_hex(sha256(reply.body)) == expected.string_or("sha256", "")) return;
  const Json* image = expected.find("image");
  ASSERT_NE(image, nullptr) << "other bytes than recorded";
  const media::PictureFile picture = media::decode(reply.body);
  EXPECT_EQ(media::format_name(picture.format) == std::string{"WebP"}
                ? "WEBP"
                : media::format_name(picture.format),
            image->at("format").as_string());
  const media::Picture rgba = media::to_rgba(picture.frames.front());
  const std::string_view pixels{reinterpret_cast<const char*>(rgba.pixels.data()),
                                rgba.pixels.size()};
  EXPECT_EQ(rgba.width, image->at("width").as_int());
  EXPECT_EQ(rgba.height, image->at("height").as_int());
  EXPECT_EQ(to_hex(sha256(pixels)), image->at("pixels_sha256").as_string());
}

void FileReplay::compare(const std::string& group, const Json& step, const Reply& reply) {
  const auto other = kDeliberate.find(group);
  if (other != kDeliberate.end() && other->second.contains(step.at("index").as_int())) {
    EXPECT_EQ(reply.status, other->second.at(step.at("index").as_int())) << reply.body;
    if (reply.status >= 400) {
      EXPECT_NE(reply.json().find("error"), nullptr);
    }
    return;
  }
  const Json& expected = step.at("response");
  EXPECT_EQ(reply.status, expected.at("status").as_int()) << reply.body;
  if (reply.status >= 300) {
    if (expected.find("text")) {
      EXPECT_EQ(reply.body, expected.at("text").as_string());
    }
    return;
  }
  if (expected.find("json")) {
    EXPECT_EQ(comparable(reply.json()), comparable(expected.at("json"))) << reply.body;
  } else if (expected.find("bytes")) {
    compare_bytes(expected.at("bytes"), reply);
  } else if (expected.find("text")) {
    EXPECT_EQ(reply.body, expected.at("text").as_string());
  }
  for (const char* name : {"Content-Type", "Content-Range"}) {
    const std::string recorded = expected.at("headers").string_or(name, "");
    const bool is_script = recorded.find("javascript") != recorded.npos;
    if (!recorded.empty() && !is_script) {
      EXPECT_EQ(reply.header(name), recorded);
    }
  }
  // ours may say attachment first, and encodes names that need it
  const std::string disposition = expected.at("headers").string_or("Content-Disposition", "");
  EXPECT_NE(reply.header("Content-Disposition").find(disposition), std::string::npos);
}

void FileReplay::replay(const std::string& group, std::size_t least) {
  const Json recorded = parse_json(read_file(reference() / "http" / (group + ".json")));
  std::size_t count = 0;
  for (const Json& step : recorded.at("steps").as_array()) {
    const Json& request = step.at("request");
    const std::string path = request.at("path").as_string();
    if (group == "internal" && path.find("/logs") != path.npos) continue;
    SCOPED_TRACE(group + " " + std::to_string(step.at("index").as_int()) + " " +
                 request.string_or("method", "GET") + " " + path);
    if (request.string_or("method", "GET") == "HEAD") continue;
    compare(group, step, ask(server, ask_of(request)));
    ++count;
  }
  EXPECT_GE(count, least);
}

TEST_F(FileReplay, OfUploadsAgrees) { replay("upload_image", 26); }
TEST_F(FileReplay, OfMasksAgrees) { replay("upload_mask", 8); }
TEST_F(FileReplay, OfViewsAgrees) { replay("view", 35); }
TEST_F(FileReplay, OfUserDataAgrees) { replay("userdata", 36); }

TEST_F(FileReplay, OfSettingsAgreesOnceTheyAreEmpty) {
  // the recorded server starts a user with no settings, ours with one
  server.base().write("user/default/comfy.settings.json", "{}");
  replay("settings_users", 20);
}

TEST_F(FileReplay, OfModelListsAgrees) {
  for (const char* name :
       {"anything_v3", "v1-inference", "v1-inference_clip_skip_2", "v1-inference_clip_skip_2_fp16",
        "v1-inference_fp16", "v1-inpainting-inference", "v2-inference-v", "v2-inference-v_fp32",
        "v2-inference", "v2-inference_fp32", "v2-inpainting-inference"})
    server.base().write(std::string{"models/configs/"} + name + ".yaml", "");
  for (const char* name : {"__init__", "api_test_nodes", "async_test_nodes", "conditions",
                           "flow_control", "specific_tests", "stubs", "tools", "util"})
    server.base().write(std::string{"custom_nodes/testing-pack/"} + name + ".py", "");
  server.base().write("custom_nodes/websocket_image_save.py", "");
  replay("models", 23);
}

TEST_F(FileReplay, OfInternalFoldersShowsNoAbsolutePath) {
  const Json recorded = parse_json(read_file(reference() / "http/internal.json"));
  const Reply reply = ask(server, {.target = "/internal/folder_paths"});
  const Json folders_now = reply.json();
  const Json wanted = recorded.at("steps").as_array().at(5).at("response").at("json");
  for (const auto& [kind, folders] : wanted.as_object()) {
    if (kind == "custom_nodes") continue;
    const Json* found = folders_now.find(kind);
    ASSERT_NE(found, nullptr) << kind;
    Json::Array relative;
    for (const Json& folder : folders.as_array())
      relative.emplace_back(folder.as_string().substr(std::string{"<BASE>/"}.size()));
    EXPECT_EQ(*found, Json{relative}) << kind;
  }
  EXPECT_EQ(reply.body.find(server.base().path().string()), std::string::npos);
}

}  // namespace
}  // namespace comfy::server
