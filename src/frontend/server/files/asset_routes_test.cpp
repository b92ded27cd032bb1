// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/loopback_server.h"

#include <gtest/gtest.h>

#include <string>

namespace comfy::server {
namespace {

using namespace std::string_literals;

class AssetsTest : public testing::Test {
 protected:
  AssetsTest() {
    server_.base().write("models/loras/sub/a.safetensors", "12345");
    server_.base().write("models/checkpoints/b.safetensors", "1");
    server_.base().write("input/picture one.png", "123");
    server_.base().write("output/day/B.png", "12");
    server_.base().write("output/day/notes.txt", "1234");
    server_.base().write("output/.comfy/hidden.png", "");
  }

  Json get(const std::string& target, unsigned status = 200) {
    const Reply reply = ask(server_, {.target = target});
    EXPECT_EQ(reply.status, status) << target << reply.body;
    return reply.json();
  }
  /// The names that a query lists, in their order.
  std::string names(const std::string& query) {
    std::string all;
    const Json answer = get("/api/assets?" + query);
    for (const Json& asset : answer.at("assets").as_array()) {
      all += (all.empty() ? "" : " ") + asset.at("name").as_string();
    }
    return all;
  }

  LoopbackServer server_;
};

TEST_F(AssetsTest, AreTheFilesOfAllFolders) {
  EXPECT_EQ(names("sort=name&order=asc"),
            "B.png a.safetensors b.safetensors notes.txt picture one.png");
  EXPECT_EQ(get("/api/assets").at("total").as_int(), 5);
  EXPECT_EQ(names("sort=size&order=desc&limit=2"), "a.safetensors notes.txt");
  EXPECT_EQ(names("sort=size&limit=2&offset=4"), "b.safetensors");
  EXPECT_EQ(names("sort=size&limit=2&offset=5"), "");
  EXPECT_TRUE(get("/api/assets?limit=4").at("has_more").as_bool());
  EXPECT_FALSE(get("/api/assets?limit=5").at("has_more").as_bool());
}

TEST_F(AssetsTest, AreFoundByTagsAndNames) {
  EXPECT_EQ(names("include_tags=models&sort=name&order=asc"), "a.safetensors b.safetensors");
  EXPECT_EQ(names("include_tags=models,%20sub"), "a.safetensors");
  EXPECT_EQ(names("include_tags=output&exclude_tags=day"), "");
  EXPECT_EQ(names("exclude_tags=models,input&name_contains=b.P"), "B.png");
  EXPECT_EQ(names("metadata_filter=%7B%7D&include_tags=input"), "picture one.png");
  EXPECT_EQ(names("metadata_filter=%7B%22a%22:1%7D"), "");
}

TEST_F(AssetsTest, KeepTheirIds) {
  const Json answer = get("/api/assets?include_tags=input");
  const Json& asset = answer.at("assets").as_array().at(0);
  const std::string id = asset.at("id").as_string();
  EXPECT_EQ(id.size(), 36u);
  const Json detail = get("/api/assets/" + id);
  EXPECT_EQ(detail.at("name").as_string(), "picture one.png");
  EXPECT_EQ(detail.at("size").as_int(), 3);
  EXPECT_EQ(detail.at("mime_type").as_string(), "image/png");
  EXPECT_TRUE(detail.at("user_metadata").is_object());
  const Reply shown = ask(server_, {.target = detail.at("preview_url").as_string()});
  EXPECT_EQ(shown.body, "123");
  EXPECT_EQ(get("/api/assets/00000000-0000-8000-8000-000000000000", 404)
                .at("error")
                .string_or("code", ""),
            "ASSET_NOT_FOUND");
}

TEST_F(AssetsTest, CountTheirTags) {
  const Json tags = get("/api/tags");
  const Json& first = tags.at("tags").as_array().at(0);
  EXPECT_EQ(first.at("count").as_int(), 2);
  EXPECT_EQ(tags.at("total").as_int(), 7) << to_json(tags);
  EXPECT_EQ(get("/api/tags?prefix=lor").at("tags").as_array().size(), 1u);
  EXPECT_EQ(get("/api/tags?order=name_asc&limit=1").at("tags").as_array().at(0).at("name"),
            Json{"checkpoints"});
}

TEST_F(AssetsTest, SayWhichPartOfAQueryIsWrong) {
  for (const char* target :
       {"/api/assets?limit=0", "/api/assets?limit=501", "/api/assets?limit=x",
        "/api/assets?offset=-1", "/api/assets?sort=colour", "/api/assets?order=up",
        "/api/assets?metadata_filter=5", "/api/assets?metadata_filter=%7B", "/api/tags?limit=1001",
        "/api/tags?order=x"}) {
    EXPECT_EQ(get(target, 400).at("error").string_or("code", ""), "INVALID_QUERY") << target;
  }
}

}  // namespace
}  // namespace comfy::server
