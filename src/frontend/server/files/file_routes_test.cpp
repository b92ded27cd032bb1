// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/strings.h"
#include "foundation/media/decode.h"
#include "foundation/media/encode.h"
#include "foundation/paths/hostile_names.h"
#include "frontend/server/files/form_body.h"
#include "frontend/server/loopback_server.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

namespace comfy::server {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

Settings roomy() {
  Settings settings;
  settings.limits.min_free_space = 0;
  return settings;
}

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

Reply get(const LoopbackServer& server, const std::string& target) {
  return ask(server, {.target = target});
}
Reply post(const LoopbackServer& server, const std::string& target, const std::string& body) {
  return ask(server, {.method = "POST", .target = target, .body = body});
}
Reply upload(const LoopbackServer& server, const std::string& name, const std::string& content,
             std::vector<Field> more = {}) {
  more.push_back({"image", content, name});
  return ask(server, form_ask("/upload/image", more));
}

std::string png(media::Mode mode = media::Mode::rgba, int width = 4, int height = 3,
                std::vector<media::TextEntry> texts = {}) {
  media::Picture picture = media::Picture::make(mode, width, height);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i)
    picture.pixels[i] = static_cast<std::uint8_t>(i * 7);
  return media::encode_png(picture, {.compression = 1, .texts = std::move(texts)});
}

/// Every suffix that some browser might take for something to run.
const std::vector<std::string> kSuffixes{
    "html", "htm",  "xhtml", "shtml", "svg", "svgz", "xml",      "xsl",   "xslt", "js",
    "mjs",  "cjs",  "css",   "pdf",   "swf", "mht",  "mhtml",    "hta",   "wasm", "png.html",
    "HTML", "Js",   "php",   "jsp",   "asp", "vbs",  "svg.html", "ps1",   "bat",  "htc",
    "rdf",  "atom", "rss",   "xul",   "ics", "eml",  "jar",      "class", "md",   "unknown"};

TEST(Uploads, OfOneNameInParallelKeepEveryPicture) {
  const LoopbackServer server{roomy()};
  constexpr int kCount = 50;
  std::vector<std::string> names(kCount);
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t; i < kCount; i += 5) {
        const Reply reply = upload(server, "a.png", "content " + std::to_string(i));
        if (reply.status == 200)
          names[static_cast<std::size_t>(i)] = reply.json().string_or("name", "");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kCount; ++i) {
    const std::string& name = names[static_cast<std::size_t>(i)];
    EXPECT_EQ(read_file(server.base().path() / "input" / name), "content " + std::to_string(i))
        << name;
  }
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator{server.base().path() / "input"})
    ++files;
  EXPECT_EQ(files, names.size());  // and no temporary one is left
}

TEST(Uploads, OfTheSameBytesInParallelEndInOneFile) {
  const LoopbackServer server{roomy()};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] { EXPECT_EQ(upload(server, "same.png", "bytes").status, 200U); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(fs::exists(server.base().path() / "input/same (1).png"));
}

TEST(Uploads, MakeTheFoldersThatTheyName) {
  const LoopbackServer server{roomy()};
  const Reply reply = upload(server, "deep/x.png", "1", {{"subfolder", "a/b"}});
  EXPECT_EQ(reply.body, R"({"name": "deep/x.png", "subfolder": "a/b", "type": "input"})");
  EXPECT_EQ(read_file(server.base().path() / "input/a/b/deep/x.png"), "1");
}

TEST(Uploads, AreRefusedWhileTheDiskIsNearlyFull) {
  Settings settings;
  settings.limits.min_free_space = std::uint64_t{1} << 62;
  const LoopbackServer server{settings};
  const Reply reply = upload(server, "a.png", "1");
  EXPECT_EQ(reply.status, 507U) << reply.body;
  EXPECT_FALSE(fs::exists(server.base().path() / "input/a.png"));
}

TEST(Uploads, OntoAFolderAreRefused) {
  const LoopbackServer server{roomy()};
  server.base().write("input/dir.png/x", "");
  EXPECT_EQ(upload(server, "dir.png", "1", {{"overwrite", "true"}}).status, 409U);
  EXPECT_EQ(upload(server, "dir.png", "1").json().string_or("name", ""), "dir (1).png");
  EXPECT_EQ(upload(server, "x/y.png", "1", {{"subfolder", "dir.png"}}).status, 409U);
}

TEST(Uploads, SayWhatIsWrong) {
  const LoopbackServer server{roomy()};
  const auto message = [](const Reply& reply) {
    EXPECT_EQ(reply.status, 400U);
    return reply.json().at("error").string_or("message", "");
  };
  EXPECT_EQ(message(upload(server, "a.png", "1", {{"type", "bogus"}})),
            "type must be input, temp or output, got 'bogus'");
  EXPECT_EQ(message(ask(server, form_ask("/upload/image", {{"image", "x"}}))),
            "the field 'image' must be a file with a filename");
  EXPECT_EQ(message(ask(server, form_ask("/upload/image", {}))),
            "the form must have a file named 'image', got none");
  EXPECT_EQ(message(post(server, "/upload/image", "{}")),
            "Content-Type must be multipart/form-data, got ''");
}

TEST(Masks, TakeThePlaceOfTheAlphaAndKeepTheTexts) {
  const LoopbackServer server{roomy()};
  server.base().write("output/sub/o.png",
                      png(media::Mode::rgb, 4, 3, {{"prompt", "{}"}, {"n", "日"}}));
  const std::string mask = png(media::Mode::rgba);
  const Reply reply = ask(
      server,
      form_ask("/upload/mask", {{"image", mask, "m.png"},
                                {"original_ref", R"({"filename": "o.png", "subfolder": "sub"})"}}));
  ASSERT_EQ(reply.status, 200U) << reply.body;
  const std::string saved = read_file(server.base().path() / "input/m.png");
  const media::Picture picture = media::decode(saved).frames.at(0);
  const media::Picture alpha = media::decode(mask).frames.at(0);
  ASSERT_EQ(picture.mode, media::Mode::rgba);
  for (std::size_t i = 3; i < picture.pixels.size(); i += 4)
    EXPECT_EQ(picture.pixels[i], alpha.pixels[i]);
  EXPECT_EQ(picture.pixels[4], 21);  // the second pixel's red, from the original
  EXPECT_NE(saved.find("tEXtprompt"), saved.npos);
  EXPECT_NE(saved.find("iTXtn"), saved.npos);
}

TEST(Masks, OfAnotherSizeNameBothSizes) {
  const LoopbackServer server{roomy()};
  server.base().write("input/o.png", png(media::Mode::rgb, 4, 3));
  const Reply reply =
      ask(server, form_ask("/upload/mask", {{"image", png(media::Mode::rgba, 2, 2), "m.png"},
                                            {"original_ref", R"({"filename": "o.png [input]"})"}}));
  EXPECT_EQ(reply.status, 400U);
  EXPECT_EQ(reply.json().at("error").string_or("message", ""),
            "mask must have the size of its picture, 4 x 3, got 2 x 2");
}

TEST(View, NeutralisesWhatAUserMayHaveUploaded) {
  const LoopbackServer server{roomy()};
  const std::string script = "<script>alert(1)</script>";
  for (const std::string& suffix : kSuffixes) {
    const std::string name = "evil." + suffix;
    ASSERT_EQ(upload(server, name, script).status, 200U) << name;
    ASSERT_EQ(post(server, "/userdata/" + name, script).status, 200U) << name;
    for (const std::string& target : {"/view?type=input&filename=" + name, "/userdata/" + name}) {
      const Reply reply = get(server, target);
      EXPECT_EQ(reply.status, 200U) << target;
      const std::string type = reply.header("Content-Type");
      EXPECT_TRUE(type == "application/octet-stream" || type == "image/svg+xml") << target << type;
      EXPECT_TRUE(reply.header("Content-Disposition").starts_with("attachment; filename="))
          << target;
      EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff") << target;
      EXPECT_EQ(reply.header("Content-Security-Policy"), "sandbox; default-src 'none'") << target;
    }
  }
}

TEST(View, ServesTheUsersOwnStyleSheetToThePage) {
  const LoopbackServer server{roomy()};
  ASSERT_EQ(post(server, "/userdata/user.css", "body {}").status, 200U);
  EXPECT_EQ(get(server, "/userdata/user.css").header("Content-Type"), "text/css; charset=utf-8");
  ASSERT_EQ(post(server, "/userdata/sub%2Fuser.css", "body {}").status, 200U);
  EXPECT_EQ(get(server, "/userdata/sub%2Fuser.css").header("Content-Type"),
            "application/octet-stream");
}

TEST(View, EncodesNamesThatHeadersCannotHold) {
  const LoopbackServer server{roomy()};
  server.base().write("output/ü \"日\".png", png());
  const Reply reply = get(server, "/view?filename=%C3%BC%20%22%E6%97%A5%22.png");
  EXPECT_EQ(reply.status, 200U);
  EXPECT_EQ(reply.header("Content-Disposition"),
            "filename=\"_ ___.png\"; filename*=UTF-8''%C3%BC%20%22%E6%97%A5%22.png");
}

TEST(View, HidesWhatTheProgramKeepsAmongTheOutputs) {
  const LoopbackServer server{roomy()};
  server.base().write("output/.comfy/ledger.jsonl", "secret");
  EXPECT_EQ(get(server, "/view?filename=ledger.jsonl&subfolder=.comfy").status, 404U);
  EXPECT_EQ(get(server, "/internal/files/output").body, "[]");
  EXPECT_EQ(upload(server, "x", "1", {{"type", "output"}, {"subfolder", ".comfy"}}).status, 404U);
}

TEST(View, AnswersAPictureThatClaimsTooMuchWithAMessage) {
  const LoopbackServer server{roomy()};
  std::string claim = png(media::Mode::rgb, 4, 3);
  claim.replace(16, 8, "\0\1\0\0\0\1\0\0"s);  // 65536 x 65536
  server.base().write("output/big.png", claim);
  const Reply reply = get(server, "/view?filename=big.png&preview=webp");
  EXPECT_EQ(reply.status, 413U);
  EXPECT_EQ(reply.json().at("error").string_or("message", ""),
            "PNG picture must have at most 178956970 pixels, got 65536 x 65536");
  EXPECT_EQ(get(server, "/view?filename=big.png").status, 200U);
}

TEST(Settings, StartWithTheTutorialDone) {
  const LoopbackServer server{roomy()};
  EXPECT_EQ(get(server, "/settings").body, R"({"Comfy.TutorialCompleted": true})");
  EXPECT_EQ(post(server, "/settings/a", "5").status, 200U);
  EXPECT_EQ(get(server, "/settings").body, R"({"Comfy.TutorialCompleted": true, "a": 5})");
  EXPECT_EQ(read_file(server.base().path() / "user/default/comfy.settings.json"),
            "{\n    \"Comfy.TutorialCompleted\": true,\n    \"a\": 5\n}");
}

TEST(Settings, WrittenAtOnceByManyLoseNothing) {
  const LoopbackServer server{roomy()};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i)
        EXPECT_EQ(post(server, "/settings/k" + std::to_string(t * 10 + i), "1").status, 200U);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(get(server, "/settings").json().as_object().size(), 41U);
}

TEST(Settings, ThatAreDamagedCountAsEmpty) {
  const LoopbackServer server{roomy()};
  server.base().write("user/default/comfy.settings.json", "{broken");
  EXPECT_EQ(get(server, "/settings").body, "{}");
}

TEST(Users, HaveTheirOwnFilesAndMustBeKnown) {
  Settings settings = roomy();
  settings.multi_user = true;
  const LoopbackServer server{settings};
  const std::string bob = post(server, "/users", R"({"username": "bob b"})").json().as_string();
  EXPECT_TRUE(bob.starts_with("bob-b_")) << bob;
  EXPECT_EQ(get(server, "/users").json().at("users").string_or(bob, ""), "bob b");
  const auto as = [&](const std::string& user, const std::string& target) {
    return ask(server, {.target = target, .headers = {{"comfy-user", user}}}).status;
  };
  EXPECT_EQ(as(bob, "/settings"), 200U);
  EXPECT_EQ(as("nobody", "/settings"), 401U);
  EXPECT_EQ(as("../default", "/userdata/x"), 403U);
  EXPECT_EQ(get(server, "/settings").status, 401U);
  for (const char* body : {R"({"username": "__system"})", R"({"username": ""})",
                           R"({"username": 5})", R"({"username": "bob b"})", "{}"}) {
    const Reply reply = post(server, "/users", body);
    EXPECT_EQ(reply.status, 400U) << body;
    EXPECT_TRUE(reply.json().at("error").is_string()) << body;
  }
}

TEST(UserData, DecodesItsNamesASecondTimeAndChecksThemAgain) {
  const LoopbackServer server{roomy()};
  server.base().write("user/users.json", "{}");
  EXPECT_EQ(post(server, "/userdata/a%252Fb.json", "1").body, "\"a/b.json\"");
  for (const char* name : {"..%252Fusers.json", "%252e%252e%252fusers.json", "..%2Fusers.json"}) {
    const std::string target = "/userdata/"s + name;
    EXPECT_EQ(get(server, target).status, 403U) << name;
    EXPECT_EQ(post(server, target, "hacked").status, 403U) << name;
    EXPECT_EQ(post(server, target + "/move/x", "").status, 403U) << name;
    EXPECT_EQ(post(server, "/userdata/a%2Fb.json/move/"s + name, "").status, 403U) << name;
  }
  EXPECT_EQ(read_file(server.base().path() / "user/users.json"), "{}");
}

TEST(Models, ShowTheirPictures) {
  const LoopbackServer server{roomy()};
  const std::string route = "/experiment/models/preview/loras/0/";
  server.base().write("models/loras/a.safetensors", "");
  server.base().write("models/loras/a.preview.png", png(media::Mode::rgb));
  server.base().write("models/loras/ab.png", "no picture");
  server.base().write("models/loras/ab.safetensors", "");
  const std::string header =
      R"({"__metadata__":{"ssmd_cover_images":"[\"R0lGODlhAQABAIAAAP8AAP///ywAAAAAAQABAAACAkQBADs=\"]"}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  server.base().write("models/loras/sub/c.safetensors", length + header);
  EXPECT_EQ(get(server, route + "a.safetensors").header("Content-Type"), "image/webp");
  EXPECT_EQ(get(server, route + "sub/c.safetensors").status, 200U);
  EXPECT_EQ(get(server, route + "ab.safetensors").status, 404U);
  EXPECT_EQ(get(server, "/experiment/models/preview/loras/x/a.safetensors").status, 400U);
  EXPECT_EQ(get(server, "/experiment/models/preview/loras/-1/a.safetensors").status, 404U);
}

TEST(Extensions, AreListedWithTheirScripts) {
  const LoopbackServer server{roomy()};
  server.base().write("web/extensions/core/a b.js", "");
  server.base().write("web/extensions/core/.hidden.js", "");
  server.base().write("extensions/pack/readme.txt", "");
  EXPECT_EQ(get(server, "/extensions").body,
            R"(["/extensions/core/a%20b.js", "/extensions/pack/main.js"])");
}

TEST(Extensions, MergeTheirTranslations) {
  const LoopbackServer server{roomy()};
  server.base().write("custom_nodes/a/locales/en/main.json", R"({"x": {"one": 1}, "l": [1]})");
  server.base().write("custom_nodes/a/locales/en/nodeDefs.json", R"({"Node": {"t": "T"}})");
  server.base().write("custom_nodes/b/locales/en/main.json", R"({"x": {"two": 2}, "l": [2]})");
  server.base().write("custom_nodes/b/locales/de/main.json", "broken");
  EXPECT_EQ(
      get(server, "/i18n").body,
      R"({"en": {"x": {"one": 1, "two": 2}, "l": [1, 2], "nodeDefs": {"Node": {"t": "T"}}}})");
}

TEST(Extensions, OfferTheirWorkflows) {
  const LoopbackServer server{roomy()};
  server.base().write("custom_nodes/a/example_workflows/w 1.json", "{}");
  server.base().write("custom_nodes/a/example_workflows/w 1.jpg", "");
  server.base().write("custom_nodes/b/other/x.json", "{}");
  EXPECT_EQ(get(server, "/workflow_templates").body, R"({"a": ["w 1"]})");
  EXPECT_EQ(get(server, "/api/workflow_templates/a/w%201.json").body, "{}");
  EXPECT_EQ(get(server, "/api/workflow_templates/a/..%2F..%2Fsecret.txt").status, 404U);
}

TEST(Extensions, OfThisProgramOfferTheirWorkflowsToo) {
  const LoopbackServer server{roomy()};
  server.base().write("extensions/pack/example_workflows/first.json", R"({"nodes": []})");
  EXPECT_EQ(get(server, "/workflow_templates").body, R"({"pack": ["first"]})");
  EXPECT_EQ(get(server, "/api/workflow_templates/pack/first.json").body, R"({"nodes": []})");
  EXPECT_EQ(get(server, "/api/workflow_templates/pack/none.json").status, 404U);
}

/// One parameter that takes a path from a client, filled with `name`.
struct Parameter {
  const char* title;
  Ask (*fill)(const std::string& name);
};

std::string enc(const std::string& name) { return percent_encode(name); }

const std::vector<Parameter> kParameters{
    {"view filename",
     [](const std::string& n) { return Ask{.target = "/view?type=input&filename=" + enc(n)}; }},
    {"view preview",
     [](const std::string& n) {
       return Ask{.target = "/view?type=input&preview=webp&filename=" + enc(n)};
     }},
    {"view subfolder",
     [](const std::string& n) {
       return Ask{.target = "/view?type=input&filename=canary.txt&subfolder=" + enc(n)};
     }},
    {"view type",
     [](const std::string& n) {
       return Ask{.target = "/view?filename=canary.txt&type=" + enc(n)};
     }},
    {"upload filename",
     [](const std::string& n) {
       return form_ask("/upload/image", {{"image", "hacked", n}, {"overwrite", "true"}});
     }},
    {"upload subfolder",
     [](const std::string& n) {
       return form_ask(
           "/upload/image",
           {{"image", "hacked", "canary.txt"}, {"subfolder", n}, {"overwrite", "true"}});
     }},
    {"mask filename",
     [](const std::string& n) {
       return form_ask("/upload/mask",
                       {{"image", png(), n},
                        {"overwrite", "1"},
                        {"original_ref", R"({"filename": "own.png", "type": "input"})"}});
     }},
    {"mask original",
     [](const std::string& n) {
       return form_ask(
           "/upload/mask",
           {{"image", png(), "m.png"},
            {"original_ref", to_json(Json::Object{{"filename", n}, {"type", "input"}})}});
     }},
    {"mask original folder",
     [](const std::string& n) {
       return form_ask("/upload/mask",
                       {{"image", png(), "m.png"},
                        {"original_ref",
                         to_json(Json::Object{
                             {"filename", "canary.txt"}, {"subfolder", n}, {"type", "input"}})}});
     }},
    {"userdata get", [](const std::string& n) { return Ask{.target = "/userdata/" + enc(n)}; }},
    {"userdata post",
     [](const std::string& n) {
       return Ask{.method = "POST", .target = "/userdata/" + enc(n), .body = "hacked"};
     }},
    {"userdata delete",
     [](const std::string& n) { return Ask{.method = "DELETE", .target = "/userdata/" + enc(n)}; }},
    {"userdata move from",
     [](const std::string& n) {
       return Ask{.method = "POST", .target = "/userdata/" + enc(n) + "/move/taken.txt"};
     }},
    {"userdata move to",
     [](const std::string& n) {
       return Ask{.method = "POST", .target = "/userdata/own.txt/move/" + enc(n)};
     }},
    {"userdata dir",
     [](const std::string& n) { return Ask{.target = "/userdata?recurse=true&dir=" + enc(n)}; }},
    {"userdata path",
     [](const std::string& n) { return Ask{.target = "/v2/userdata?path=" + enc(n)}; }},
    {"models", [](const std::string& n) { return Ask{.target = "/models/" + enc(n)}; }},
    {"experiment models",
     [](const std::string& n) { return Ask{.target = "/experiment/models/" + enc(n)}; }},
    {"preview folder",
     [](const std::string& n) {
       return Ask{.target = "/experiment/models/preview/" + enc(n) + "/0/canary.txt"};
     }},
    {"preview file",
     [](const std::string& n) {
       return Ask{.target = "/experiment/models/preview/loras/0/" + enc(n)};
     }},
    {"metadata folder",
     [](const std::string& n) {
       return Ask{.target = "/view_metadata/" + enc(n) + "?filename=canary.safetensors"};
     }},
    {"metadata file",
     [](const std::string& n) {
       return Ask{.target = "/view_metadata/loras?filename=" + enc(n + "/canary.safetensors")};
     }},
    {"internal files",
     [](const std::string& n) { return Ask{.target = "/internal/files/" + enc(n)}; }},
    {"template pack",
     [](const std::string& n) {
       return Ask{.target = "/api/workflow_templates/" + enc(n) + "/canary.txt"};
     }},
    {"template file",
     [](const std::string& n) { return Ask{.target = "/api/workflow_templates/pack/" + enc(n)}; }},
};

TEST(HostilePaths, ReachNothingThroughAnyParameter) {
  const LoopbackServer server{roomy()};
  const fs::path base = server.base().path();
  const std::string secret = "CANARY-SECRET";
  for (const char* place :
       {"canary.txt", "user/canary.txt", "models/canary.txt", "canary.safetensors",
        "custom_nodes/canary.txt", "user/default2/canary.txt"})
    server.base().write(place, secret);
  for (const char* place : {"input/own.png", "input/sub/sub/own.png"})
    server.base().write(place, png());
  server.base().write("user/default/sub/sub/own.txt", "own");
  server.base().write("models/loras/sub/sub/x", "");
  server.base().write("custom_nodes/pack/workflows/sub/sub/x", "");
  for (const char* link : {"input/link", "user/default/link", "custom_nodes/pack/workflows/link"})
    fs::create_directory_symlink(base, base / link);
  std::vector<std::string> names = paths::hostile_names("canary.txt");
  names.insert(names.end(),
               {"link/canary.txt", "link", "link/user/canary.txt", "link/link/canary.txt"});
  ASSERT_GE(names.size(), 200U);
  ASSERT_GE(names.size() * kParameters.size(), 6'000U);
  std::set<fs::path> outside;
  for (const auto& entry : fs::directory_iterator{base}) outside.insert(entry.path());
  for (const Parameter& parameter : kParameters) {
    for (const std::string& name : names) {
      const Reply reply = ask(server, parameter.fill(name));
      const bool follows =
          std::string_view{parameter.title}.starts_with("template");  // the operator's own link
      EXPECT_LT(reply.status, 500U) << parameter.title << " " << name << reply.body;
      if (follows) continue;
      EXPECT_EQ(reply.body.find(secret), reply.body.npos) << parameter.title << " " << name;
    }
  }
  for (const char* place :
       {"canary.txt", "user/canary.txt", "models/canary.txt", "canary.safetensors",
        "custom_nodes/canary.txt", "user/default2/canary.txt"})
    EXPECT_EQ(read_file(base / place), secret) << place;
  for (const auto& entry : fs::directory_iterator{base})
    EXPECT_TRUE(outside.contains(entry.path())) << entry.path();
}

TEST(HostilePaths, TellPresentAndAbsentOutsideFilesApartByNothing) {
  const LoopbackServer server{roomy()};
  server.base().write("canary.txt", "secret");
  fs::create_directories(server.base().path() / "input");
  fs::create_directory_symlink(server.base().path(), server.base().path() / "input/link");
  for (const char* prefix : {"/view?type=input&subfolder=link&filename=",
                             "/view?type=input&filename=..%2F", "/userdata/..%2F..%2F"}) {
    const Reply present = get(server, prefix + "canary.txt"s);
    const Reply absent = get(server, prefix + "absent.txt"s);
    EXPECT_EQ(present.status, absent.status) << prefix;
    EXPECT_EQ(replace_all(present.body, "canary", "absent"), absent.body) << prefix;
  }
}

}  // namespace
}  // namespace comfy::server
