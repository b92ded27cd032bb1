// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/admission.h"
#include "frontend/server/loopback_server.h"
#include "frontend/server/routes/routes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

namespace comfy::server {
namespace {

/// Three people and their keys: the name with "-key" behind.
access::GateOptions people(const TemporaryFolder& folder) {
  std::string lines;
  for (const auto& [name, role] : {std::pair{"ann", "submit"}, std::pair{"bob", "submit"},
                                   std::pair{"eve", "read"}, std::pair{"root", "admin"}}) {
    lines += fmt::format("{}:{}:{}\n", name, role, to_hex(sha256(fmt::format("{}-key", name))));
  }
  folder.write("keys", lines);
  return {.on = true, .key_file = folder.path() / "keys"};
}

std::pair<std::string, std::string> key_of(const std::string& name) {
  return {"Authorization", fmt::format("Bearer {}-key", name)};
}

class AccessTest : public testing::Test {
 protected:
  explicit AccessTest(Settings settings = {})
      : server_{std::make_unique<LoopbackServer>(std::move(settings), std::vector<Route>{},
                                                 people(folder_))} {}

  Reply as(const std::string& name, const std::string& method, const std::string& target,
           const std::string& body = {}) {
    return ask(*server_,
               {.method = method, .target = target, .headers = {key_of(name)}, .body = body});
  }
  Reply submit(const std::string& name, const std::string& id, const std::string& client = "tab") {
    const std::string body = fmt::format(
        R"({{"prompt": {{"1": {{"class_type": "EmptyImage", "inputs": {{"width": 8, "height": 8,
        "batch_size": 1, "color": 1}}}}, "2": {{"class_type": "PreviewImage", "inputs":
        {{"images": ["1", 0]}}}}}}, "client_id": "{}", "prompt_id": "{}"}})",
        client, id);
    return as(name, "POST", "/prompt", body);
  }
  std::string audit() const {
    std::ifstream file{server_->base().path() / "audit.jsonl"};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  TemporaryFolder folder_;
  std::unique_ptr<LoopbackServer> server_;
};

/// A path that leads to the row: every {name} filled in.
std::string target_of(const Route& row) {
  std::string target{row.pattern};
  for (std::size_t open = target.find('{'); open != std::string::npos; open = target.find('{')) {
    target.replace(open, target.find('}', open) - open + 1, "x");
  }
  return target;
}

TEST_F(AccessTest, AnswersEveryRouteWith401WithoutAKey) {
  std::size_t rows = 0;
  for (const Route& row : server_->routes().rows()) {
    const std::string method{method_name(row.method)};
    for (const std::string& prefix : {std::string{}, std::string{"/api"}}) {
      if (!prefix.empty() && row.alias != Alias::api) continue;
      const std::string target = prefix + target_of(row);
      ++rows;
      if (row.pattern == "/healthz") {
        EXPECT_EQ(ask(*server_, {.target = target}).status, 200u);
        continue;
      }
      EXPECT_EQ(ask(*server_, {.method = method, .target = target}).status, 401u) << target;
      const Reply wrong =
          ask(*server_, {.method = method,
                         .target = target,
                         .headers = {{"Cookie", "comfyui_login_0=" + std::string(64, 'a')}}});
      EXPECT_EQ(wrong.status, 401u) << target;
    }
  }
  EXPECT_GT(rows, 60u);
  for (const char* target : {"/", "/index.html", "/ws", "/api/ws", "/scripts/app.js", "/nothing",
                             "/docs/KSampler/en.md", "/extensions/pack/main.js", "/user.css"}) {
    EXPECT_EQ(ask(*server_, {.target = target}).status, 401u) << target;
  }
  EXPECT_EQ(ask(*server_, {.method = "HEAD", .target = "/queue"}).status, 401u);
}

TEST_F(AccessTest, AnswersEveryRouteOfHigherRolesWith403) {
  for (const Route& row : server_->routes().rows()) {
    const auto role = needed_role(row);
    const std::string method{method_name(row.method)};
    for (const auto& [name, held] :
         {std::pair{"eve", access::Role::read}, std::pair{"ann", access::Role::submit}}) {
      if (!role || access::covers(held, *role)) continue;
      EXPECT_EQ(as(name, method, target_of(row)).status, 403u) << method << " " << row.pattern;
    }
  }
  EXPECT_EQ(as("ann", "POST", "/free", "{}").status, 403u);
  EXPECT_EQ(as("root", "POST", "/free", "{}").status, 200u);
  EXPECT_EQ(as("ann", "GET", "/internal/logs/raw").status, 403u);
  EXPECT_EQ(as("ann", "GET", "/internal/folder_paths").status, 403u);
  EXPECT_EQ(as("ann", "GET", "/internal/files/output").status, 200u) << "the sidebar of the editor";
  EXPECT_EQ(as("eve", "GET", "/queue").status, 200u);
  EXPECT_EQ(as("eve", "POST", "/queue", R"({"clear": true})").status, 403u);
}

TEST_F(AccessTest, TellsProgramsHowToCome) {
  const Reply reply = ask(*server_, {.target = "/queue"});
  EXPECT_EQ(reply.json().at("error").string_or("type", ""), "unauthorized");
  EXPECT_EQ(reply.headers.count("WWW-Authenticate"), 2u);
  EXPECT_EQ(ask(*server_, {.target = "/queue",
                           .headers = {{"Authorization", "Basic eDphbm4ta2V5"}}})  // x:ann-key
                .status,
            200u);
}

TEST_F(AccessTest, ShowsABrowserWhereToTypeTheKey) {
  const Ask page{.target = "/", .headers = {{"Accept", "text/html,*/*"}}};
  const Reply reply = ask(*server_, page);
  EXPECT_EQ(reply.status, 401u);
  EXPECT_NE(reply.body.find("name=\"token\""), std::string::npos);
  EXPECT_EQ(reply.headers.count("WWW-Authenticate"), 1u);
  EXPECT_NE(reply.header("Content-Security-Policy").find("default-src 'none'"), std::string::npos);
  Ask led = page;
  led.headers.emplace_back("Sec-Fetch-Site", "cross-site");
  led.headers.emplace_back("Sec-Fetch-Mode", "navigate");
  EXPECT_NE(ask(*server_, led).body.find("http-equiv=\"refresh\""), std::string::npos);
}

TEST_F(AccessTest, LogsABrowserInByItsReadyUrl) {
  const Reply entry = ask(*server_, {.target = "/?token=ann-key&workflow=a%20b"});
  EXPECT_EQ(entry.status, 303u);
  EXPECT_EQ(entry.header("Location"), "./?workflow=a%20b");
  const std::string field = entry.header("Set-Cookie");
  for (const char* part : {"HttpOnly", "SameSite=Strict", "Max-Age=2592000", "Path=/"}) {
    EXPECT_NE(field.find(part), std::string::npos) << part;
  }
  const std::pair<std::string, std::string> cookie{"Cookie", field.substr(0, field.find(';'))};
  EXPECT_EQ(ask(*server_, {.target = "/", .headers = {cookie}}).status, 200u);
  EXPECT_EQ(ask(*server_, {.method = "POST", .target = "/queue", .headers = {cookie}, .body = "{}"})
                .status,
            200u);
  const Reply foreign = ask(*server_, {.method = "POST",
                                       .target = "/queue",
                                       .headers = {cookie, {"Origin", "https://evil.test"}},
                                       .body = "{}"});
  EXPECT_EQ(foreign.status, 403u) << "a cookie comes along by itself";
  EXPECT_EQ(ask(*server_, {.method = "POST", .target = "/logout", .headers = {cookie}}).status,
            200u);
  EXPECT_EQ(ask(*server_, {.target = "/queue", .headers = {cookie}}).status, 401u);
  EXPECT_EQ(ask(*server_, {.target = "/?token=wrong"}).status, 401u);
  EXPECT_EQ(ask(*server_, {.target = "/?token="}).status, 401u);
  EXPECT_EQ(audit().find("ann-key"), std::string::npos);
  EXPECT_NE(audit().find("\"login\""), std::string::npos);
}

TEST_F(AccessTest, TakesABearerFromAnyPageAndHost) {
  const Reply reply = ask(*server_, {.method = "POST",
                                     .target = "/queue",
                                     .headers = {key_of("ann"), {"Origin", "https://app.example"}},
                                     .body = "{}",
                                     .host = "tunnel.example"});
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(ask(*server_, {.target = "/queue", .host = "tunnel.example"}).status, 401u);
}

TEST_F(AccessTest, AnswersTheEleventhWrongKeyOfAMinuteWith429) {
  const auto wrong = [this] {
    return ask(*server_, {.target = "/queue", .headers = {{"Authorization", "Bearer wrong"}}});
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(wrong().status, 401u) << i;
  const Reply reply = wrong();
  EXPECT_EQ(reply.status, 429u);
  EXPECT_EQ(reply.header("Retry-After"), "60");
  EXPECT_EQ(as("ann", "GET", "/queue").status, 429u);
  EXPECT_EQ(ask(*server_, {.target = "/?token=ann-key"}).status, 429u);
  EXPECT_EQ(ask(*server_, {.target = "/healthz"}).status, 200u);
}

TEST_F(AccessTest, KeepsJobsOfUsersApart) {
  ASSERT_EQ(submit("ann", "hers").status, 200u);
  ASSERT_EQ(submit("bob", "his").status, 200u);
  const auto pending = [this](const std::string& name) {
    return as(name, "GET", "/queue").json().at("queue_pending").as_array().size();
  };
  EXPECT_EQ(pending("ann"), 1u);
  EXPECT_EQ(pending("eve"), 0u);
  EXPECT_EQ(pending("root"), 2u);
  EXPECT_EQ(as("bob", "GET", "/api/jobs/hers").status, 404u);
  EXPECT_EQ(as("bob", "GET", "/api/jobs/hers").body, as("bob", "GET", "/api/jobs/none").body);
  EXPECT_EQ(as("bob", "GET", "/history/hers").body, "{}");
  EXPECT_EQ(as("bob", "POST", "/api/jobs/hers/cancel").status, 404u);
  as("bob", "POST", "/queue", R"({"delete": ["hers"]})");
  as("bob", "POST", "/interrupt", R"({"prompt_id": "hers"})");
  as("bob", "POST", "/queue", R"({"clear": true})");
  EXPECT_EQ(pending("ann"), 1u);
  EXPECT_EQ(pending("bob"), 0u);
  EXPECT_EQ(submit("bob", "hers").status, 409u) << "an id of another cannot be taken over";
  as("bob", "POST", "/history", R"({"clear": true})");
  EXPECT_EQ(as("ann", "GET", "/api/jobs").json().at("pagination").int_or("total", 0), 1);
  EXPECT_EQ(as("bob", "GET", "/api/jobs").json().at("pagination").int_or("total", 9), 0);
  as("root", "POST", "/queue", R"({"clear": true})");
  EXPECT_EQ(pending("ann"), 0u);
}

TEST_F(AccessTest, KeepsFilesAndSettingsOfUsersApart) {
  EXPECT_EQ(as("ann", "POST", "/settings/color", R"("red")").status, 200u);
  EXPECT_EQ(as("ann", "GET", "/settings/color").body, "\"red\"");
  EXPECT_EQ(as("bob", "GET", "/settings/color").body, "null");
  EXPECT_EQ(as("ann", "POST", "/userdata/a.json", "{}").status, 200u);
  EXPECT_EQ(as("ann", "GET", "/userdata/a.json").status, 200u);
  EXPECT_EQ(as("bob", "GET", "/userdata/a.json").status, 404u);
  EXPECT_GE(as("bob", "GET", "/userdata/..%2Fann%2Fa.json").status, 400u);
  EXPECT_EQ(as("bob", "DELETE", "/userdata/a.json").status, 404u);
  const Ask disguised{.target = "/userdata/a.json",
                      .headers = {key_of("bob"), {"comfy-user", "ann"}}};
  EXPECT_EQ(ask(*server_, disguised).status, 403u);
  const Ask helping{.target = "/userdata/a.json",
                    .headers = {key_of("root"), {"comfy-user", "ann"}}};
  EXPECT_EQ(ask(*server_, helping).status, 200u);
}

/// The messages that a socket gets until nothing has come for a moment.
class Tab {
 public:
  Tab(const LoopbackServer& server, const std::string& user, const std::string& client)
      : client_{server.port()} {
    client_.send(
        fmt::format("GET /ws?clientId={} HTTP/1.1\r\nHost: localhost\r\nConnection: "
                    "Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
                    "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "Authorization: Bearer {}-key\r\n\r\n",
                    client, user));
    status = client_.receive(LoopbackClient::Expect::head).status;
  }
  /// True when `text` comes before `end` does.
  bool sees(const std::string& text, const std::string& end) {
    std::string seen;
    while (seen.find(end) == std::string::npos) {
      seen += client_.receive_some();
      if (seen.find(text) != std::string::npos) return true;
    }
    return false;
  }
  unsigned status = 0;

 private:
  LoopbackClient client_;
};

TEST_F(AccessTest, KeepsEventsOfUsersApartEvenUnderOneClientId) {
  Tab ann{*server_, "ann", "tab"};
  Tab bob{*server_, "bob", "tab"};
  ASSERT_EQ(ann.status, 101u);
  ASSERT_EQ(bob.status, 101u);
  const auto send = [this](std::optional<std::string> client, std::string owner, std::string id,
                           const char* text) {
    server_->relay().send(jobs::TextEvent{.client_id = std::move(client),
                                          .owner = std::move(owner),
                                          .prompt_id = std::move(id),
                                          .text = std::make_shared<const std::string>(text)});
  };
  send("tab", "ann", "p", "for-ann-only");
  send({}, "ann", "p", "also-for-ann");
  send({}, "", "", "for-everybody");
  EXPECT_FALSE(bob.sees("ann", "for-everybody"));
  EXPECT_TRUE(ann.sees("for-ann-only", "for-everybody"));
}

TEST_F(AccessTest, WritesDownWhoWasRefusedAndWhatAdministratorsDid) {
  ask(*server_, {.target = "/queue?secret=1", .headers = {{"Authorization", "Bearer canary"}}});
  as("root", "POST", "/free", "{}");
  as("eve", "POST", "/queue", "{}");
  ask(*server_,
      {.method = "POST", .target = "/queue", .headers = {{"Origin", "http://evil.test"}}});
  const std::string lines = audit();
  for (const char* part : {"refused_key", "admin_call", "refused_role", "refused_origin",
                           "http://evil.test", "\"user\": \"root\""}) {
    EXPECT_NE(lines.find(part), std::string::npos) << part;
  }
  for (const char* part : {"canary", "secret=1", "-key"}) {
    EXPECT_EQ(lines.find(part), std::string::npos) << part;
  }
}

TEST_F(AccessTest, WritesDownPathsThatTryToLeaveWhateverTheirAnswerIs) {
  // By an error of the resolver, and by an answer in ComfyUI's own words.
  EXPECT_EQ(as("ann", "GET", "/userdata/..%2Fsecret").status, 403u);
  EXPECT_EQ(as("bob", "GET", "/userdata?dir=../secret").status, 403u);
  EXPECT_EQ(as("eve", "GET", "/v2/userdata?path=../secret").status, 400u);
  // Not there, and not refused.
  EXPECT_EQ(as("root", "GET", "/userdata/nothing").status, 404u);
  const std::string lines = audit();
  for (const char* part :
       {"refused_path", "\"user\": \"ann\"", "\"user\": \"bob\"", "\"user\": \"eve\""}) {
    EXPECT_NE(lines.find(part), std::string::npos) << part << lines;
  }
  EXPECT_EQ(lines.find("\"user\": \"root\""), std::string::npos) << lines;
}

class ManyUsersTest : public AccessTest {
 protected:
  ManyUsersTest() : AccessTest{with_users()} {}
  static Settings with_users() {
    Settings settings;
    settings.multi_user = true;
    return settings;
  }
};

TEST_F(ManyUsersTest, HaveUploadsOfTheirOwn) {
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"image\"; "
      "filename=\"a.png\"\r\n\r\nPNG\r\n--b--\r\n";
  const Ask upload{.method = "POST",
                   .target = "/upload/image",
                   .headers = {key_of("ann"), {"Content-Type", "multipart/form-data; boundary=b"}},
                   .body = form};
  EXPECT_EQ(ask(*server_, upload).status, 200u);
  EXPECT_EQ(as("ann", "GET", "/view?filename=a.png&type=input").status, 200u);
  EXPECT_EQ(as("bob", "GET", "/view?filename=a.png&type=input").status, 404u);
  EXPECT_TRUE(std::filesystem::exists(server_->base().path() / "input/ann/a.png"));
  EXPECT_EQ(as("ann", "GET", "/internal/files/input").body, R"(["a.png"])");
  EXPECT_EQ(as("bob", "GET", "/internal/files/input").body, "[]");
  EXPECT_FALSE(as("ann", "GET", "/users").json().find("users")) << "nothing to choose from";
}

}  // namespace
}  // namespace comfy::server
