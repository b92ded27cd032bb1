// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/routes/routes.h"

#include "foundation/base/strings.h"
#include "foundation/graph/object_info.h"
#include "frontend/server/gzip.h"
#include "frontend/server/loopback_server.h"
#include "frontend/server/static_files.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

namespace comfy::server {
namespace {

/// The body of POST /prompt for a picture of that size.
Json prompt_body(int color = 1, const std::string& prompt_id = {}) {
  const Json graph = parse_json(fmt::format(
      R"({{"1": {{"class_type": "EmptyImage",
                 "inputs": {{"width": 8, "height": 8, "batch_size": 1, "color": {}}}}},
          "2": {{"class_type": "PreviewImage", "inputs": {{"images": ["1", 0]}}}}}})",
      color));
  Json body = Json::Object{{"prompt", graph}, {"client_id", "me"}};
  if (!prompt_id.empty()) body["prompt_id"] = prompt_id;
  return body;
}

Reply post(const LoopbackServer& server, const std::string& target, const std::string& body) {
  return ask(server, {.method = "POST", .target = target, .body = body});
}

Reply get(const LoopbackServer& server, const std::string& target) {
  return ask(server, {.target = target});
}

TEST(PromptRoute, QueuesAValidPromptUnderTheIdItWasGiven) {
  const LoopbackServer server;
  const Reply first = post(server, "/prompt", to_json(prompt_body(1, "my-id")));
  ASSERT_EQ(first.status, 200u) << first.body;
  EXPECT_EQ(first.json().string_or("prompt_id", ""), "my-id");
  EXPECT_TRUE(first.json().at("number").is_number());
  EXPECT_TRUE(first.json().at("node_errors").as_object().empty());
  EXPECT_EQ(get(server, "/api/prompt").json().at("exec_info").int_or("queue_remaining", 0), 1);
  const Json queue = get(server, "/queue").json();
  EXPECT_TRUE(queue.at("queue_running").as_array().empty());
  const Json& item = queue.at("queue_pending").as_array().at(0);
  ASSERT_EQ(item.as_array().size(), 5u);
  EXPECT_EQ(item.as_array()[1].as_string(), "my-id");
  EXPECT_EQ(item.as_array()[2], prompt_body().at("prompt"));
  EXPECT_EQ(item.as_array()[3].string_or("client_id", ""), "me");
  EXPECT_EQ(to_json(item.as_array()[4]), R"(["2"])");
}

TEST(PromptRoute, AnswersARepeatedIdAgainAndAnotherPromptUnderItWithConflict) {
  const LoopbackServer server;
  const Reply first = post(server, "/prompt", to_json(prompt_body(1, "my-id")));
  EXPECT_EQ(post(server, "/prompt", to_json(prompt_body(1, "my-id"))).body, first.body);
  const Reply other = post(server, "/prompt", to_json(prompt_body(2, "my-id")));
  EXPECT_EQ(other.status, 409u);
  EXPECT_EQ(other.json().at("error").string_or("type", ""), "prompt_id_conflict");
  EXPECT_EQ(get(server, "/prompt").json().at("exec_info").int_or("queue_remaining", 0), 1);
}

TEST(PromptRoute, DoesNotCareAboutTheContentType) {
  const LoopbackServer server;
  for (const char* type : {"application/x-www-form-urlencoded", "text/plain", "application/json"}) {
    const Ask asked{.method = "POST",
                    .target = "/prompt",
                    .headers = {{"Content-Type", type}},
                    .body = to_json(prompt_body())};
    EXPECT_EQ(ask(server, asked).status, 200u) << type;
  }
}

TEST(PromptRoute, RefusesABadPromptWithBothFieldsThatClientsRead) {
  const LoopbackServer server;
  Json bad = prompt_body();
  bad["prompt"]["1"]["inputs"]["width"] = -5;
  const Reply reply = post(server, "/prompt", to_json(bad));
  EXPECT_EQ(reply.status, 400u);
  const Json answer = reply.json();
  EXPECT_EQ(answer.at("error").string_or("type", ""), "prompt_outputs_failed_validation");
  const Json& error = answer.at("node_errors").at("1").at("errors").as_array().at(0);
  EXPECT_EQ(error.string_or("type", ""), "value_smaller_than_min");
}

TEST(PromptRoute, AnswersEveryMalformedBodyWith400) {
  const LoopbackServer server;
  for (const char* body :
       {"{bad", "[]", "\"x\"", "5", "null", "{}", R"({"prompt": null})", R"({"prompt": 5})",
        R"({"prompt": []})", R"({"prompt": {"1": []}})", R"({"prompt": {"1": null}})",
        R"({"prompt": {"1": {"class_type": "NoSuchNode", "inputs": {}}}})",
        R"({"prompt": {}, "number": "x"})", R"({"prompt": {}, "extra_data": null})",
        R"({"prompt": {}, "client_id": {"a": 1}})", R"({"prompt": {}, "prompt_id": "a b"})",
        R"({"prompt": {}, "partial_execution_targets": "ab"})", "{\"prompt\": \"\xff\"}"}) {
    const Reply reply = post(server, "/prompt", body);
    EXPECT_EQ(reply.status, 400u) << body << reply.body;
    EXPECT_FALSE(reply.json().at("error").string_or("message", "").empty()) << body;
    EXPECT_TRUE(reply.json().at("node_errors").is_object()) << body;
  }
  const std::string deep = R"({"prompt": )" + std::string(100'000, '[');
  EXPECT_EQ(post(server, "/prompt", deep).status, 400u);
  EXPECT_EQ(post(server, "/prompt", "").status, 400u);
  EXPECT_EQ(post(server, "/prompt", to_json(prompt_body())).status, 200u);
}

TEST(QueueRoute, DropsWhatItIsAskedTo) {
  const LoopbackServer server;
  for (const char* id : {"a", "b", "c"}) post(server, "/prompt", to_json(prompt_body(1, id)));
  EXPECT_EQ(post(server, "/queue", R"({"delete": ["b", "unknown"]})").status, 200u);
  EXPECT_EQ(get(server, "/prompt").json().at("exec_info").int_or("queue_remaining", 0), 2);
  const Reply cleared = post(server, "/api/queue", R"({"clear": true})");
  EXPECT_EQ(cleared.status, 200u);
  EXPECT_EQ(cleared.body, "");
  EXPECT_EQ(get(server, "/queue").body, R"({"queue_running": [], "queue_pending": []})");
}

TEST(ControlRoutes, AnswerBadBodiesWith400) {
  const LoopbackServer server;
  for (const char* target : {"/queue", "/history", "/free"}) {
    for (const char* body : {"", "{bad", "[1]", "5", "null"}) {
      EXPECT_EQ(post(server, target, body).status, 400u) << target << " " << body;
    }
  }
  for (const char* body : {R"({"delete": "x"})", R"({"delete": 5})", R"({"delete": [{}]})"}) {
    EXPECT_EQ(post(server, "/queue", body).status, 400u) << body;
    EXPECT_EQ(post(server, "/history", body).status, 400u) << body;
  }
  EXPECT_EQ(post(server, "/interrupt", "[1]").status, 400u);
  for (const char* body : {"", "{}", "{bad", R"({"prompt_id": "none"})", R"({"prompt_id": ""})"}) {
    EXPECT_EQ(post(server, "/interrupt", body).status, 200u) << body;
  }
  EXPECT_EQ(post(server, "/free", R"({"unload_models": true})").status, 200u);
}

TEST(QueueRoute, SendsALongQueueInPieces) {
  const LoopbackServer server;
  std::string long_text(2'000, 'x');
  for (int i = 0; i < 100; ++i) {
    Json body = prompt_body(i, fmt::format("job-{}", i));
    body["extra_data"] = Json::Object{{"note", long_text}};
    ASSERT_EQ(post(server, "/prompt", to_json(body)).status, 200u);
  }
  const Reply reply = get(server, "/queue");
  EXPECT_EQ(reply.header("Transfer-Encoding"), "chunked");
  const Json::Array pending = reply.json().at("queue_pending").as_array();
  ASSERT_EQ(pending.size(), 100u);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(pending[static_cast<std::size_t>(i)].as_array().at(1).as_string(),
              fmt::format("job-{}", i));
}

TEST(HistoryRoute, TakesNumbersAndRefusesWords) {
  const LoopbackServer server;
  for (const char* target : {"/history", "/history?max_items=1", "/history?max_items=-1",
                             "/history?max_items=5&offset=2", "/history/none"}) {
    EXPECT_EQ(get(server, target).body, "{}") << target;
  }
  EXPECT_EQ(get(server, "/history?max_items=abc").status, 400u);
  EXPECT_EQ(get(server, "/history?offset=1.5").status, 400u);
}

TEST(JobRoutes, ListShowAndCancel) {
  const LoopbackServer server;
  post(server, "/prompt", to_json(prompt_body(1, "a")));
  post(server, "/prompt", to_json(prompt_body(1, "b")));
  const Json list = get(server, "/api/jobs?status=pending,in_progress&limit=200&offset=0").json();
  EXPECT_EQ(list.at("jobs").as_array().size(), 2u);
  EXPECT_EQ(list.at("pagination").int_or("total", 0), 2);
  EXPECT_TRUE(list.at("pagination").at("limit").is_integer());
  EXPECT_EQ(get(server, "/api/jobs/a").json().string_or("status", ""), "pending");
  EXPECT_EQ(post(server, "/api/jobs/a/cancel", "").status, 200u);
  EXPECT_EQ(get(server, "/api/jobs/a").json().string_or("status", ""), "cancelled");
  EXPECT_EQ(post(server, "/api/jobs/cancel", R"({"job_ids": ["a", "b", "none"]})").status, 200u);
  EXPECT_EQ(get(server, "/prompt").json().at("exec_info").int_or("queue_remaining", 9), 0);
  EXPECT_EQ(get(server, "/api/jobs/none").status, 404u);
  EXPECT_EQ(get(server, "/api/jobs/none").json().string_or("error", ""), "Job not found");
  EXPECT_EQ(post(server, "/api/jobs/none/cancel", "").status, 404u);
  EXPECT_EQ(post(server, "/api/jobs/cancel", "{}").status, 400u);
  EXPECT_EQ(get(server, "/jobs").status, 404u);
}

TEST(JobRoutes, NameABadParameter) {
  const LoopbackServer server;
  for (const char* query : {"status=done", "limit=0", "limit=x", "sort_by=name", "sort_order=up"}) {
    const Reply reply = get(server, fmt::format("/api/jobs?{}", query));
    EXPECT_EQ(reply.status, 400u) << query;
    EXPECT_TRUE(reply.json().at("error").is_string()) << query;
  }
  EXPECT_EQ(get(server, "/api/jobs?offset=-5").status, 200u);
}

TEST(ObjectInfo, IsServedInWholeAndByClassWithATag) {
  const LoopbackServer server;
  const Reply whole = get(server, "/object_info");
  EXPECT_EQ(whole.status, 200u);
  EXPECT_EQ(whole.header("Content-Type"), "application/json; charset=utf-8");
  const Json all = whole.json();
  EXPECT_EQ(all.as_object().size(), 4u);
  EXPECT_EQ(get(server, "/api/object_info/EmptyImage").json().at("EmptyImage"),
            all.at("EmptyImage"));
  EXPECT_EQ(get(server, "/object_info/NoSuchNode").body, "{}");
  const Ask again{.target = "/object_info", .headers = {{"If-None-Match", whole.header("ETag")}}};
  EXPECT_EQ(ask(server, again).status, 304u);
}

TEST(ObjectInfo, IsPackedOnceForThoseWhoTakeItSo) {
  LoopbackServer server;
  const Ask asked{.target = "/object_info", .headers = {{"Accept-Encoding", "gzip, deflate"}}};
  const Reply packed = ask(server, asked);
  EXPECT_EQ(packed.header("Content-Encoding"), "gzip");
  const Reply plain = get(server, "/object_info");
  EXPECT_EQ(plain.header("Content-Encoding"), "");
  EXPECT_EQ(packed.body, gzip(plain.body, 6));
  EXPECT_NE(packed.header("ETag"), plain.header("ETag"));
  Ask again = asked;
  again.headers.emplace_back("If-None-Match", packed.header("ETag"));
  EXPECT_EQ(ask(server, again).status, 304u);
}

/// A class whose menu lists checkpoints.
Json checkpoint_class() {
  return parse_json(
      R"({"Loader": {"input": {"required": {"ckpt_name": [[]]}}, "output": ["MODEL"],
          "output_is_list": [false], "output_name": ["MODEL"], "name": "Loader",
          "display_name": "Loader", "description": "", "python_module": "nodes",
          "category": "loaders", "output_node": false}})");
}

TEST(ObjectInfo, CostsNoLookIntoFoldersAndNoWritingWhileNothingChanges) {
  LoopbackServer server;
  graph::Catalogue more = graph::catalogue_from_object_info(checkpoint_class());
  graph::NodeDefinition loader = *more.find("Loader");
  loader.inputs.front().files = graph::FileMark{.model_folders = {"checkpoints"}};
  more.replace(loader);
  CatalogueStore& catalogue = server.services().catalogue;
  catalogue.receive(more.hash(), more.to_json());
  for (int i = 0; i < 300; ++i)
    server.base().write(fmt::format("models/checkpoints/{}/{}.safetensors", i % 7, i), "");
  const Reply first = get(server, "/object_info");
  const std::uint64_t scans = server.services().folders.scans();
  const std::uint64_t written = catalogue.serialised();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get(server, "/object_info").body, first.body);
  EXPECT_EQ(get(server, "/models/checkpoints").json().as_array().size(), 300u);
  EXPECT_EQ(server.services().folders.scans(), scans);
  EXPECT_EQ(catalogue.serialised(), written);
  server.base().write("models/checkpoints/new.safetensors", "");
  const Reply second = get(server, "/object_info");
  EXPECT_NE(second.header("ETag"), first.header("ETag"));
  EXPECT_NE(second.body.find("new.safetensors"), std::string::npos);
  EXPECT_EQ(catalogue.serialised(), written + 1) << "only the class that lists checkpoints";
  EXPECT_EQ(server.services().folders.scans(), scans + 1) << "only their folder";
}

TEST(Metrics, CountRequestsByRouteAndShowTheQueue) {
  const LoopbackServer server;
  post(server, "/prompt", to_json(prompt_body()));
  get(server, "/history/some-id");
  get(server, "/history/another-id");
  get(server, "/no/such/file");
  const Reply reply = get(server, "/metrics");
  EXPECT_EQ(reply.status, 200u);
  EXPECT_TRUE(reply.header("Content-Type").starts_with("text/plain; version=0.0.4"));
  for (const char* line :
       {"comfyui_queue_pending 1\n", "comfyui_prompts_accepted_total 1\n",
        "comfyui_takeovers_total 0\n", "comfyui_stale_results_total 0\n",
        R"(comfyui_http_requests_total{method="POST",route="/prompt",status="200"} 1)",
        R"(comfyui_http_requests_total{method="GET",route="/history/{prompt_id}",status="200"} 2)",
        R"(comfyui_http_requests_total{method="GET",route="other",status="404"} 1)",
        R"(comfyui_http_request_seconds_count{route="/prompt"} 1)",
        "# TYPE comfyui_claims_total counter\n"}) {
    EXPECT_NE(reply.body.find(line), std::string::npos) << line << reply.body;
  }
}

TEST(Subgraphs, AreThoseOfNodePacksAndOfThisInstallation) {
  LoopbackServer server;
  server.base().write("custom_nodes/pack/subgraphs/Fine Detail.json", R"({"nodes": []})");
  server.base().write("custom_nodes/pack/subgraphs/readme.txt", "");
  server.base().write("blueprints/Own.json", "{}");
  const Json all = get(server, "/api/global_subgraphs").json();
  ASSERT_EQ(all.as_object().size(), 2u);
  std::set<std::string> names;
  for (const auto& [id, entry] : all.as_object()) {
    EXPECT_EQ(id.size(), 64u);
    names.insert(fmt::format("{} {} {}", entry.string_or("name", ""), entry.string_or("source", ""),
                             entry.at("info").string_or("node_pack", "")));
    const Json one = get(server, "/global_subgraphs/" + id).json();
    EXPECT_EQ(one.at("name"), entry.at("name"));
    EXPECT_TRUE(parse_json(one.at("data").as_string()).is_object());
  }
  EXPECT_EQ(names, (std::set<std::string>{"Fine Detail custom_node custom_nodes.pack",
                                          "Own templates comfyui"}));
}

TEST(SystemStats, HasTheKeysThatClientsReadWithoutAsking) {
  const LoopbackServer server;
  const Json stats = get(server, "/system_stats").json();
  const Json& system = stats.at("system");
  EXPECT_EQ(system.string_or("os", ""), "posix");
  EXPECT_GT(system.int_or("ram_total", 0), 0);
  EXPECT_GT(system.int_or("ram_free", 0), 0);
  EXPECT_EQ(split(system.string_or("comfyui_version", ""), '.').size(), 3u);
  EXPECT_TRUE(system.at("argv").is_array());
  for (const char* key : {"python_version", "pytorch_version", "embedded_python"}) {
    EXPECT_NE(system.find(key), nullptr) << key;
  }
  EXPECT_TRUE(stats.at("devices").is_array());
}

TEST(Health, SaysWhatIsMissing) {
  const LoopbackServer server;
  EXPECT_EQ(get(server, "/healthz").status, 200u);
  const Reply ready = get(server, "/readyz");
  EXPECT_EQ(ready.status, 503u);
  EXPECT_FALSE(ready.json().at("parts").bool_or("worker", true));
  EXPECT_TRUE(ready.json().at("parts").bool_or("store_writable", false));
}

TEST(EmptyLists, AreThereForTheEditor) {
  const LoopbackServer server;
  EXPECT_EQ(get(server, "/api/global_subgraphs").body, "{}");
  EXPECT_EQ(get(server, "/api/global_subgraphs/x").body, "null");
  EXPECT_EQ(get(server, "/api/node_replacements").body, "{}");
}

TEST(LogRoutes, AnswerInTheirForms) {
  LoopbackServer server;
  server.logs().add("first");
  EXPECT_TRUE(get(server, "/internal/logs").json().as_string().ends_with(" - first\n"));
  const Json raw = get(server, "/internal/logs/raw").json();
  EXPECT_EQ(raw.at("entries").as_array().at(0).string_or("m", ""), "first\n");
  EXPECT_TRUE(raw.at("size").at("cols").is_integer());
  const auto patch = [&server](const std::string& body) {
    return ask(server, {.method = "PATCH", .target = "/internal/logs/subscribe", .body = body})
        .status;
  };
  EXPECT_EQ(patch(R"({"clientId": "x", "enabled": true})"), 200u);
  EXPECT_EQ(patch(R"({"enabled": false})"), 400u);
  EXPECT_EQ(patch("[]"), 400u);
}

TEST(StaticFiles, AreServedFromThePartsOfTheProduct) {
  const LoopbackServer server;
  const Reply page = get(server, "/");
  EXPECT_EQ(page.status, 200u);
  EXPECT_TRUE(page.header("Content-Type").starts_with("text/html"));
  EXPECT_EQ(page.header("Cache-Control"), "no-cache");
  EXPECT_EQ(page.header("Pragma"), "no-cache");
  EXPECT_EQ(page.header("Expires"), "0");
  EXPECT_EQ(get(server, "/api/").body, page.body);
  EXPECT_EQ(get(server, "/index.html").body, page.body);
  EXPECT_EQ(get(server, "/scripts/app.js").header("Cache-Control"), "no-cache");
  EXPECT_TRUE(get(server, "/scripts/app.js").header("Content-Type").starts_with("text/javascript"));
  EXPECT_EQ(get(server, "/assets/picture.png").header("Cache-Control"), "public, max-age=86400");
  EXPECT_EQ(get(server, "/assets/gone.png").header("Cache-Control"), "public, max-age=3600");
  EXPECT_EQ(get(server, "/extensions/pack/main.js").status, 200u);
  EXPECT_EQ(get(server, "/templates/index.json").header("Content-Type"), "application/json");
  EXPECT_EQ(get(server, "/docs/KSampler/en.md").status, 200u);
  EXPECT_EQ(get(server, "/user.css").status, 404u);
  EXPECT_EQ(get(server, "/user.css").header("Cache-Control"), "no-cache");
}

TEST(StaticFiles, NeverLeaveTheirFolder) {
  const LoopbackServer server;
  for (const char* target :
       {"/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/scripts/../../secret.txt",
        "/scripts/..%2f..%2fsecret.txt", "/extensions/../secret.txt", "/docs/%2e%2e/secret.txt",
        "//secret.txt", "/%00", "/scripts%2fapp.js", "/..%5csecret.txt", "/.hidden", "/%zz",
        "/extensions/pack/..%2f..%2f..%2fsecret.txt", "/templates//index.json"}) {
    const Reply reply = get(server, target);
    EXPECT_EQ(reply.status, 404u) << target;
    EXPECT_EQ(reply.body.find("secret"), std::string::npos) << target;
  }
  EXPECT_EQ(get(server, "/assets/").status, 403u);
  EXPECT_EQ(get(server, "/templates/").status, 403u);
}

TEST(StaticFiles, AreCompressedOnceForClientsElsewhere) {
  LoopbackServer server;
  StaticFiles files{mounts_of(server.settings().parts)};
  const auto fetch = [&](const std::string& path, const std::string& address) {
    Request request;
    request.path = path;
    request.remote_address = address;
    request.headers.add("Accept-Encoding", "gzip, br");
    boost::asio::io_context io;
    auto answer = boost::asio::co_spawn(io, files.answer(request, server.services()),
                                        boost::asio::use_future);
    io.run();
    return answer.get();
  };
  const Response first = fetch("/assets/long.js", "192.0.2.1");
  EXPECT_EQ(first.headers.find("Content-Encoding"), "gzip");
  EXPECT_NE(first.headers.find("ETag"), std::nullopt);
  const Response second = fetch("/assets/long.js", "192.0.2.1");
  EXPECT_EQ(std::get<SharedBytes>(first.body), std::get<SharedBytes>(second.body));
  server.base().write("web/assets/other.js", std::string(100'000, 'y'));
  EXPECT_FALSE(fetch("/assets/other.js", "127.0.0.1").headers.find("Content-Encoding"))
      << "nobody on the same machine waits for it";
  EXPECT_EQ(fetch("/assets/other.js", "127.0.0.1").headers.find("Content-Encoding"), "gzip");
  EXPECT_FALSE(fetch("/assets/picture.png", "192.0.2.1").headers.find("Content-Encoding"));
}

TEST(UnknownPaths, AreAnsweredAsComfyUIDoes) {
  const LoopbackServer server;
  for (const char* target :
       {"/api/no/such/path", "/system_stats/", "/interrupt", "/object_info/"}) {
    const Reply reply = get(server, target);
    EXPECT_EQ(reply.status, 404u) << target;
    EXPECT_EQ(reply.body, "") << target;
  }
  const auto allowed = [&server](const std::string& method, const std::string& target) {
    const Reply reply = ask(server, {.method = method, .target = target});
    EXPECT_EQ(reply.status, 405u) << target;
    EXPECT_EQ(reply.body, "405: Method Not Allowed");
    return reply.header("Allow");
  };
  EXPECT_EQ(allowed("POST", "/no/such/path"), "GET,HEAD");
  EXPECT_EQ(allowed("POST", "/system_stats"), "GET,HEAD");
  EXPECT_EQ(allowed("DELETE", "/prompt"), "GET,HEAD,POST");
  EXPECT_EQ(allowed("POST", "/internal/logs/subscribe"), "PATCH");
  EXPECT_EQ(allowed("BREW", "/prompt"), "GET,HEAD,POST");
}

TEST(RouteTable, HasEveryRowOnce) {
  std::set<std::string> seen;
  for (const Route& row : all_routes()) {
    const std::string name = fmt::format("{} {}", method_name(row.method), row.pattern);
    EXPECT_TRUE(seen.insert(name).second) << name;
  }
}

TEST(CatalogueStore, KnowsWhatWorkersToldAnEarlierProcess) {
  const TemporaryFolder base;
  paths::FolderOptions options;
  options.base = base.path();
  const paths::Folders folders{options};
  const auto file = base.path() / "nodes.json";
  graph::Catalogue nodes = graph::catalogue_from_object_info(checkpoint_class());
  {
    CatalogueStore store{folders};
    store.remember(file, "key", system_clock());
    store.receive(nodes.hash(), nodes.to_json());
  }
  CatalogueStore again{folders};
  again.remember(file, "key", system_clock());
  EXPECT_EQ(again.catalogue()->size(), nodes.size());
  ASSERT_NE(again.classes(nodes.hash()), nullptr);
  EXPECT_EQ(again.classes(nodes.hash())->size(), nodes.size());
  CatalogueStore other{folders};
  other.remember(file, "other plug-ins", system_clock());
  EXPECT_EQ(other.catalogue()->size(), 0u);
  std::ofstream{file, std::ios::trunc} << "{\"key\": \"key\", \"catalogues\": [{";
  CatalogueStore damaged{folders};
  damaged.remember(file, "key", system_clock());
  EXPECT_EQ(damaged.catalogue()->size(), 0u) << "a damaged file is passed over";
}

TEST(CatalogueStore, OffersTheModelsOfWorkersBesideItsOwn) {
  const TemporaryFolder base;
  std::filesystem::create_directories(base.path() / "models/vae");
  std::ofstream{base.path() / "models/vae/b.safetensors"} << "x";
  paths::FolderOptions options;
  options.base = base.path();
  const paths::Folders folders{options};
  CatalogueStore store{folders};
  store.set_worker_models(std::make_shared<const std::set<std::string>>(
      std::set<std::string>{"checkpoints/z", "vae/a.safetensors", "vae/b.safetensors", "vaex/c"}));
  EXPECT_EQ(store.choices("").models("vae"),
            (std::vector<std::string>{"a.safetensors", "b.safetensors"}));
  EXPECT_EQ(store.choices("").models("only workers know it"), std::vector<std::string>{});
}

}  // namespace
}  // namespace comfy::server
