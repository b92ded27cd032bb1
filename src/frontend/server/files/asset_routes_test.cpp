// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/form_body.h"
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

  Json send(const std::string& method, const std::string& target, const std::string& body,
            unsigned status) {
    const Reply reply = ask(server_, {.method = method, .target = target, .body = body});
    EXPECT_EQ(reply.status, status) << method << ' ' << target << reply.body;
    return reply.body.empty() ? Json{} : reply.json();
  }
  Json upload(const std::vector<Field>& fields, unsigned status) {
    const Reply reply = ask(server_, form_ask("/api/assets", fields));
    EXPECT_EQ(reply.status, status) << reply.body;
    return reply.json();
  }
  static std::string code(const Json& answer) { return answer.at("error").string_or("code", ""); }

  LoopbackServer server_;
};

constexpr const char* kHashOfAbc =
    "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";

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

TEST_F(AssetsTest, AreUploadedWithWhatBelongsToThem) {
  const Json made = upload({{"file", "abc", "a.png"},
                            {"tags", R"(["input", "red"])"},
                            {"tags", "round, red"},
                            {"name", "My picture"},
                            {"user_metadata", R"({"k": [1]})"},
                            {"hash", kHashOfAbc}},
                           201);
  EXPECT_TRUE(made.bool_or("created_new", false));
  EXPECT_EQ(made.at("name").as_string(), "My picture");
  EXPECT_EQ(made.at("hash").as_string(), kHashOfAbc);
  EXPECT_EQ(to_json(made.at("tags")), R"(["input", "red", "round"])");
  EXPECT_EQ(get("/api/assets/" + made.at("id").as_string()).at("user_metadata"),
            parse_json(R"({"k": [1]})"));
  EXPECT_EQ(ask(server_, {.target = "/view?type=input&filename=a.png"}).body, "abc");
  EXPECT_EQ(ask(server_, {.target = "/view?filename="s + kHashOfAbc}).body, "abc");
  EXPECT_EQ(names("tags_all=red&tags_any=round,green&tags_none=models"), "My picture");
  EXPECT_EQ(names("hash="s + kHashOfAbc), "My picture");
  EXPECT_EQ(names("metadata_filter=%7B%22k%22:%5B1%5D%7D"), "My picture");
  const Json again = upload({{"file", "abc", "a.png"}, {"tags", "input"}}, 200);
  EXPECT_FALSE(again.bool_or("created_new", true));
  EXPECT_EQ(again.at("id"), made.at("id"));
  EXPECT_EQ(upload({{"file", "abcd", "a.png"}, {"tags", "input"}}, 201).at("name").as_string(),
            "a (1).png");
}

TEST_F(AssetsTest, AreFoundByTheirContent) {
  EXPECT_EQ(code(upload({{"hash", kHashOfAbc}, {"tags", "input"}}, 404)), "ASSET_NOT_FOUND");
  upload({{"file", "abc", "a.png"}, {"tags", "input"}}, 201);
  const std::string target = "/api/assets/hash/"s + kHashOfAbc;
  EXPECT_EQ(ask(server_, {.method = "HEAD", .target = target}).status, 200u);
  EXPECT_EQ(upload({{"hash", kHashOfAbc}, {"tags", "blue"}}, 201).at("name").as_string(), "a.png");
  const std::string body = R"({"hash": ")"s + kHashOfAbc + R"(", "name": "third", "tags": ["x"]})";
  const Json made = send("POST", "/api/assets/from-hash", body, 201);
  EXPECT_FALSE(made.bool_or("created_new", true));
  EXPECT_EQ(to_json(made.at("tags")), R"(["input", "blue", "x"])");
  EXPECT_EQ(ask(server_, {.target = "/api/assets/" + made.at("id").as_string() + "/content"}).body,
            "abc");
  server_.base().write("input/a.png", "changed");
  EXPECT_EQ(ask(server_, {.method = "HEAD", .target = target}).status, 404u);
  EXPECT_EQ(code(get("/api/assets/hash/sha256:1", 400)), "INVALID_HASH");
}

TEST_F(AssetsTest, AreRenamedTaggedAndRemoved) {
  const std::string id = get("/api/assets?include_tags=day&name_contains=B")
                             .at("assets")
                             .as_array()[0]
                             .string_or("id", "");
  const std::string target = "/api/assets/" + id;
  EXPECT_EQ(send("PUT", target, R"({"name": "C"})", 200).at("name").as_string(), "C");
  EXPECT_EQ(code(send("PUT", target, "{}", 400)), "INVALID_BODY");
  EXPECT_EQ(to_json(send("POST", target + "/tags", R"({"tags": ["day", "hot", " hot "]})", 200)),
            R"({"added": ["hot"], "already_present": ["day"], )"
            R"("total_tags": ["output", "day", "hot"]})");
  EXPECT_EQ(names("include_tags=hot"), "C");
  EXPECT_EQ(to_json(send("DELETE", target + "/tags", R"({"tags": ["day", "hot", "cold"]})", 200)),
            R"({"removed": ["hot"], "not_present": ["cold"], "protected": ["day"], )"
            R"("total_tags": ["output", "day"]})");
  for (const char* body : {"{}", R"({"tags": []})", R"({"tags": "x"})", R"({"tags": [1]})", "["})
    EXPECT_EQ(code(send("POST", target + "/tags", body, 400)), "INVALID_BODY") << body;
  send("DELETE", target, "", 204);
  EXPECT_EQ(code(send("DELETE", target, "", 404)), "ASSET_NOT_FOUND");
  EXPECT_EQ(names("include_tags=output"), "notes.txt");
}

TEST_F(AssetsTest, LeaveModelsAlone) {
  EXPECT_EQ(code(upload({{"file", "abc", "a.safetensors"}, {"tags", "models,loras"}}, 403)),
            "FORBIDDEN");
  const Json model = get("/api/assets?include_tags=loras").at("assets").as_array()[0];
  EXPECT_EQ(model.at("loader_path").as_string(), "sub/a.safetensors");
  EXPECT_EQ(code(send("DELETE", "/api/assets/" + model.at("id").as_string(), "", 403)),
            "FORBIDDEN");
}

TEST_F(AssetsTest, RefuseUploadsThatAreWrong) {
  const auto refused = [this](const std::vector<Field>& fields) {
    return code(upload(fields, 400));
  };
  EXPECT_EQ(refused({{"tags", "input"}}), "MISSING_INPUT");
  EXPECT_EQ(refused({{"file", "abc", "a.png"}}), "INVALID_BODY");
  EXPECT_EQ(refused({{"file", "abc", "../a.png"}, {"tags", "input"}}), "INVALID_BODY");
  EXPECT_EQ(refused({{"file", "abc", "a.png"}, {"tags", "input"}, {"user_metadata", "[1]"}}),
            "INVALID_BODY");
  EXPECT_EQ(refused({{"file", "abd", "a.png"}, {"tags", "input"}, {"hash", kHashOfAbc}}),
            "HASH_MISMATCH");
  EXPECT_EQ(code(send("POST", "/api/assets", "x", 400)), "INVALID_BODY");
  EXPECT_EQ(names("include_tags=input"), "picture one.png");
}

TEST_F(AssetsTest, AreListedPageByPage) {
  std::string all, cursor;
  for (int page = 0; page < 3; ++page) {
    const std::string after = cursor.empty() ? "" : "&after=" + cursor;
    const Json answer = get("/api/assets?sort=name&order=asc&limit=2" + after);
    for (const Json& asset : answer.at("assets").as_array())
      all += asset.at("name").as_string() + ' ';
    cursor = answer.string_or("next_cursor", "");
  }
  EXPECT_EQ(all, "B.png a.safetensors b.safetensors notes.txt picture one.png ");
  EXPECT_EQ(cursor, "");
  EXPECT_EQ(get("/api/assets/tags/refine?include_tags=output").at("tag_counts"),
            parse_json(R"({"day": 2, "output": 2})"));
}

TEST_F(AssetsTest, OfAJobThatNobodyKnowsAreNotFound) {
  EXPECT_EQ(get("/api/jobs/none/assets", 404).string_or("error", ""), "Job not found");
}

}  // namespace
}  // namespace comfy::server
