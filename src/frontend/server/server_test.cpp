// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/server.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"
#include "frontend/server/gzip.h"
#include "frontend/server/loopback_server.h"
#include "frontend/server/routes/routes.h"

#include <boost/asio/ip/address.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

namespace comfy::server {
namespace {

awaitable<Response> echo(const Request& request, Services&) {
  co_return text_response(std::string{request.body.view()});
}

awaitable<Response> throw_anything(const Request&, Services&) {
  throw std::runtime_error{"a bug"};
  co_return empty_response();
}

awaitable<Response> refuse(const Request&, Services&) {
  throw Error{Error::Kind::conflict, "expected a free name, got \"a\""};
  co_return empty_response();
}

awaitable<Response> produce(const Request&, Services&) {
  Response response;
  auto left = std::make_shared<int>(3);
  response.body = Producer{[left]() -> std::optional<std::string> {
    if (*left == 0) return {};
    return fmt::format("piece {};", (*left)--);
  }};
  co_return response;
}

awaitable<Response> break_header(const Request&, Services&) {
  Response response = text_response("x");
  response.headers.add("X-Name", "a\r\nSet-Cookie: b");
  co_return response;
}

awaitable<Response> send_file(const Request&, Services& services) {
  const std::string path = services.folders.base() / "web/assets/long.js";
  FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  co_return file_response(std::move(file), "text/plain");
}

std::vector<Route> test_routes() {
  return {{Method::post, "/test/echo", echo, BodyLimit::upload},
          {Method::post, "/test/small", echo},
          {Method::get, "/test/bug", throw_anything},
          {Method::get, "/test/refuse", refuse},
          {Method::get, "/test/produce", produce},
          {Method::get, "/test/header", break_header},
          {Method::get, "/test/file", send_file}};
}

Settings quick_settings() {
  Settings settings;
  settings.limits.header_time = std::chrono::milliseconds{200};
  settings.limits.idle_time = std::chrono::milliseconds{400};
  settings.limits.body_grace = std::chrono::milliseconds{200};
  settings.limits.small_body = 1'000;
  settings.limits.upload_body = 200'000;
  settings.limits.body_in_memory = 10'000;
  return settings;
}

TEST(Connection, AnswersSeveralRequestsOneAfterTheOther) {
  const LoopbackServer server;
  LoopbackClient client{server.port()};
  for (int i = 0; i < 3; ++i) {
    client.send(request_text({.target = "/features"}));
    EXPECT_EQ(client.receive().status, 200u);
  }
  // All at once, as pipelining clients do.
  client.send(request_text({.target = "/features"}) + request_text({.target = "/none"}) +
              request_text({.target = "/features"}));
  EXPECT_EQ(client.receive().status, 200u);
  EXPECT_EQ(client.receive().status, 404u);
  EXPECT_EQ(client.receive().status, 200u);
}

TEST(Connection, EndsWhenTheClientAsksForIt) {
  const LoopbackServer server;
  LoopbackClient client{server.port()};
  client.send(request_text({.target = "/features", .headers = {{"Connection", "close"}}}));
  const Reply reply = client.receive();
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(client.is_closed());
  LoopbackClient old{server.port()};
  old.send("GET /features HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(old.receive().status, 200u);
  EXPECT_TRUE(old.is_closed());
}

TEST(Connection, AnswersHeadAsGetWithoutABody) {
  const LoopbackServer server;
  LoopbackClient client{server.port()};
  for (const char* target : {"/features", "/", "/scripts/app.js", "/none", "/api/prompt"}) {
    const Reply get = ask(server, {.target = target});
    client.send(request_text({.method = "HEAD", .target = target}));
    const Reply head = client.receive(LoopbackClient::Expect::head);
    EXPECT_EQ(head.status, get.status) << target;
    EXPECT_EQ(head.header("Content-Length"), get.header("Content-Length")) << target;
  }
}

TEST(Connection, TakesBigBodiesThroughAFileAndSmallOnesInMemory) {
  const LoopbackServer server{quick_settings(), test_routes()};
  for (const std::size_t size : {0, 1, 9'999, 10'001, 200'000}) {
    std::string body(size, 'x');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i % 26);
    const Reply reply = ask(server, {.method = "POST", .target = "/test/echo", .body = body});
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.body, body);
  }
}

TEST(Connection, TakesAChunkedBody) {
  const LoopbackServer server{quick_settings(), test_routes()};
  LoopbackClient client{server.port()};
  client.send(
      "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body, "hello world");
}

TEST(Connection, RefusesABodyAboveTheLimitOfItsRoute) {
  const LoopbackServer server{quick_settings(), test_routes()};
  const Reply upload =
      ask(server, {.method = "POST", .target = "/test/echo", .body = std::string(200'001, 'x')});
  EXPECT_EQ(upload.status, 413u);
  EXPECT_EQ(upload.body, "Maximum request body size 200000 exceeded, actual body size 200001");
  const Reply small =
      ask(server, {.method = "POST", .target = "/test/small", .body = std::string(1'001, 'x')});
  EXPECT_EQ(small.status, 413u);
  LoopbackClient chunked{server.port()};
  chunked.send(
      "POST /test/small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
      fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", 2'000, std::string(2'000, 'x')));
  EXPECT_EQ(chunked.receive().status, 413u);
}

TEST(Connection, SaysContinueBeforeABodyIsSent) {
  const LoopbackServer server{quick_settings(), test_routes()};
  LoopbackClient client{server.port()};
  client.send(
      "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100u);
  client.send("ab");
  EXPECT_EQ(client.receive().body, "ab");
  LoopbackClient refused{server.port()};
  refused.send(
      "POST /test/small HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: 5000\r\n\r\n");
  EXPECT_EQ(refused.receive().status, 413u);
}

TEST(Connection, EndsOneThatIsIdleAndAnswersOneThatIsSlow) {
  const LoopbackServer server{quick_settings(), test_routes()};
  LoopbackClient idle{server.port()};
  EXPECT_TRUE(idle.is_closed());
  LoopbackClient slow_head{server.port()};
  slow_head.send("GET / HT");
  EXPECT_EQ(slow_head.receive().status, 408u);
  LoopbackClient slow_body{server.port()};
  slow_body.send("POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(slow_body.receive().status, 408u);
}

TEST(Connection, RefusesHeadsAboveTheLimits) {
  const LoopbackServer server;
  const auto status = [&server](const std::string& text) {
    LoopbackClient client{server.port()};
    client.send(text);
    return client.receive().status;
  };
  const std::string host = "Host: localhost\r\n";
  EXPECT_EQ(status("GET /" + std::string(8'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n"), 404u);
  EXPECT_EQ(status("GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n"), 414u);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n" + host + "A: " + std::string(16'000, 'a') + "\r\n\r\n"),
            200u);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n" + host + "A: " + std::string(17'000, 'a') + "\r\n\r\n"),
            431u);
  std::string many;
  for (int i = 0; i < 100; ++i) many += fmt::format("A{}: b\r\n", i);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n" + host + many + "\r\n"), 431u);
  std::string huge;
  for (int i = 0; i < 10; ++i) huge += "A: " + std::string(16'000, 'a') + "\r\n";
  EXPECT_EQ(status("GET / HTTP/1.1\r\n" + host + huge + "\r\n"), 431u);
}

TEST(Connection, SurvivesWhatIsNoHttp) {
  const LoopbackServer server{quick_settings(), test_routes()};
  const std::vector<std::string> bad{
      "\r\n\r\n\r\n\r\n",
      std::string(1'000, '\0'),
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
      "GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 6\r\n\r\n",
      "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: "
      "4\r\n\r\nabcd",
      "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n"};
  for (const std::string& text : bad) {
    LoopbackClient client{server.port()};
    client.send(text);
    try {
      const Reply reply = client.receive();
      EXPECT_GE(reply.status, 400u) << text;
      EXPECT_LT(reply.status, 500u) << text;
    } catch (const std::runtime_error&) {
      // Ending without a word is fine too.
    }
  }
  EXPECT_EQ(ask(server, {.target = "/features"}).status, 200u);
}

TEST(Connection, LimitsHowManyThereAre) {
  Settings settings;
  settings.limits.connections = 3;
  const LoopbackServer server{settings};
  const LoopbackClient a{server.port()};
  const LoopbackClient b{server.port()};
  LoopbackClient c{server.port()};
  c.send(request_text({.target = "/features"}));
  EXPECT_EQ(c.receive().status, 200u);
  LoopbackClient d{server.port()};
  const Reply refused = d.receive();
  EXPECT_EQ(refused.status, 503u);
  EXPECT_NE(refused.body.find("3 connections"), std::string::npos);
  EXPECT_TRUE(d.is_closed());
}

TEST(Answers, NeverShowWhatABugSaid) {
  const LoopbackServer server{{}, test_routes()};
  const Reply bug = ask(server, {.target = "/test/bug"});
  EXPECT_EQ(bug.status, 500u);
  EXPECT_EQ(bug.body.find("a bug"), std::string::npos);
  const Reply refused = ask(server, {.target = "/api/test/refuse"});
  EXPECT_EQ(refused.status, 409u);
  EXPECT_EQ(refused.json().at("error").string_or("message", ""), "expected a free name, got \"a\"");
}

TEST(Answers, GoInChunksWhenTheirLengthIsNotKnown) {
  const LoopbackServer server{{}, test_routes()};
  const Reply reply = ask(server, {.target = "/test/produce"});
  EXPECT_EQ(reply.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(reply.body, "piece 3;piece 2;piece 1;");
  LoopbackClient old{server.port()};
  old.send("GET /test/produce HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const Reply plain = old.receive();
  EXPECT_EQ(plain.header("Transfer-Encoding"), "");
  EXPECT_EQ(plain.body, "piece 3;piece 2;piece 1;");
}

TEST(Answers, CarryNoLineBreakInAHeader) {
  const LoopbackServer server{{}, test_routes()};
  const Reply reply = ask(server, {.target = "/test/header"});
  EXPECT_EQ(reply.header("X-Name"), "a");
  EXPECT_EQ(reply.header("Set-Cookie"), "");
}

TEST(Answers, CarryTheSecurityHeaders) {
  const LoopbackServer server;
  for (const char* target : {"/", "/features", "/none", "/scripts/app.js"}) {
    const Reply reply = ask(server, {.target = target});
    EXPECT_EQ(reply.header("X-Content-Type-Options"), "nosniff") << target;
    EXPECT_EQ(reply.header("Referrer-Policy"), "same-origin") << target;
    EXPECT_EQ(reply.header("X-Frame-Options"), "SAMEORIGIN") << target;
    EXPECT_EQ(reply.header("Cross-Origin-Resource-Policy"), "same-origin") << target;
    EXPECT_EQ(reply.header("Server"), "") << target;
  }
  EXPECT_NE(ask(server, {}).header("Content-Security-Policy").find("object-src 'none'"),
            std::string::npos);
}

TEST(Answers, SendFilesInPartsAndOnlyWhenTheyChanged) {
  const LoopbackServer server{{}, test_routes()};
  const Reply whole = ask(server, {.target = "/test/file"});
  EXPECT_EQ(whole.status, 200u);
  EXPECT_EQ(whole.body.size(), 100'000u);
  EXPECT_EQ(whole.header("Accept-Ranges"), "bytes");
  const Reply part = ask(server, {.target = "/test/file", .headers = {{"Range", "bytes=10-19"}}});
  EXPECT_EQ(part.status, 206u);
  EXPECT_EQ(part.body.size(), 10u);
  EXPECT_EQ(part.header("Content-Range"), "bytes 10-19/100000");
  const Reply same =
      ask(server, {.target = "/test/file", .headers = {{"If-None-Match", whole.header("ETag")}}});
  EXPECT_EQ(same.status, 304u);
  EXPECT_EQ(ask(server, {.target = "/test/file", .headers = {{"Range", "bytes=100000-"}}}).status,
            416u);
}

TEST(Answers, AreCompressedWhenTheOptionIsOn) {
  Settings settings;
  settings.compress_responses = true;
  const LoopbackServer server{settings};
  const Reply packed = ask(server, {.target = "/models", .headers = {{"Accept-Encoding", "gzip"}}});
  EXPECT_EQ(packed.header("Content-Encoding"), "gzip");
  EXPECT_EQ(packed.header("Vary"), "Accept-Encoding");
  const Reply plain = ask(server, {.target = "/models"});
  EXPECT_EQ(plain.header("Content-Encoding"), "");
  EXPECT_EQ(gzip(plain.body, 6), packed.body);
  const LoopbackServer without;
  EXPECT_EQ(ask(without, {.target = "/models", .headers = {{"Accept-Encoding", "gzip"}}})
                .header("Content-Encoding"),
            "");
}

TEST(Answers, FollowTheRulesOfCors) {
  Settings settings;
  settings.cors_origin = "https://app.example";
  const LoopbackServer server{settings};
  const Reply preflight = ask(
      server,
      {.method = "OPTIONS", .target = "/prompt", .headers = {{"Origin", "https://app.example"}}});
  EXPECT_EQ(preflight.status, 200u);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Origin"), "https://app.example");
  EXPECT_NE(preflight.header("Access-Control-Allow-Methods").find("PATCH"), std::string::npos);
  EXPECT_EQ(
      ask(server, {.target = "/features", .headers = {{"Origin", "https://b.example"}}}).status,
      403u);
}

TEST(Origin, IsCheckedOnEveryRowOfTheTableWhateverTheContentType) {
  const LoopbackServer server;
  using Fields = std::vector<std::pair<std::string, std::string>>;
  const std::vector<Fields> foreign{
      {{"Origin", "https://evil.test"}},
      {{"Origin", "null"}},
      {{"Origin", ""}},
      {{"Origin", "http://127.0.0.1:8188.evil.test"}},
      {{"Origin", "http://127.0.0.1:9999"}},
      {{"Origin", "http://127.0.0.1:8188"}, {"Origin", "http://127.0.0.1:8188"}},
      {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "no-cors"}},
      {{"Origin", "https://evil.test"}, {"Sec-Fetch-Site", "same-origin"}},
      {{"Origin", "https://evil.test"}, {"Content-Type", "text/plain"}},
      {{"Origin", "https://evil.test"}, {"Content-Type", "application/x-www-form-urlencoded"}},
      {{"Origin", "https://evil.test"}, {"Content-Type", "application/json"}},
      {{"Origin", "https://evil.test"}, {"Content-Type", "multipart/form-data; boundary=b"}}};
  std::vector<std::pair<std::string, std::string>> targets{
      {"GET", "/ws"}, {"GET", "/api/ws"}, {"GET", "/"}, {"GET", "/scripts/app.js"}};
  for (const Route& row : all_routes()) {
    std::string target{row.pattern};
    for (std::size_t open = target.find('{'); open != std::string::npos; open = target.find('{')) {
      target.replace(open, target.find('}', open) - open + 1, "x");
    }
    targets.emplace_back(method_name(row.method), target);
    if (row.alias == Alias::api) targets.emplace_back(method_name(row.method), "/api" + target);
  }
  std::size_t cases = 0;
  for (const auto& [method, target] : targets) {
    for (const Fields& fields : foreign) {
      const Reply reply = ask(server, {.method = method, .target = target, .headers = fields});
      EXPECT_EQ(reply.status, 403u) << method << " " << target << " " << fields.front().second;
      EXPECT_EQ(reply.body, "") << target;
      ++cases;
    }
    for (const char* host : {"evil.test", "localhost.evil.test", "0x7f.1"}) {
      EXPECT_EQ(ask(server, {.method = method, .target = target, .host = host}).status, 421u)
          << method << " " << target << " " << host;
      ++cases;
    }
  }
  EXPECT_GE(cases, 1'500u);
}

TEST(Listening, BeyondLoopbackNeedsAuthenticationOrAWord) {
  boost::asio::io_context io;
  const auto outside = [&io](std::vector<std::string> listen) {
    Settings settings;
    settings.listen = std::move(listen);
    return is_reachable_from_outside(listen_addresses(io, settings));
  };
  for (const char* safe : {"127.0.0.1", "127.8.8.8", "::1", "localhost"}) {
    EXPECT_FALSE(outside({safe})) << safe;
  }
  for (const char* open : {"0.0.0.0", "::", "192.168.1.2", "fe80::1", "::ffff:192.168.1.2"}) {
    EXPECT_TRUE(outside({open})) << open;
    EXPECT_TRUE(outside({"127.0.0.1", open})) << open;
  }
  Settings settings;
  settings.listen = {"0.0.0.0"};
  EXPECT_THROW(LoopbackServer{settings}, Error);
}

TEST(Listening, TakesSeveralAddressesOfBothKinds) {
  Settings settings;
  settings.listen = {"127.0.0.1", "::1"};
  try {
    const LoopbackServer server{settings};
    EXPECT_EQ(ask(server, {.target = "/features"}).status, 200u);
  } catch (const Error& error) {
    if (error.message.find("::1") == std::string::npos) throw;
    GTEST_SKIP() << "this machine has no IPv6: " << error.message;
  }
}

TEST(Stopping, EndsIdleConnectionsAtOnceAndAnswersWhatIsUnderWay) {
  LoopbackServer server{{}, test_routes()};
  LoopbackClient idle{server.port()};
  LoopbackClient busy{server.port()};
  busy.send("POST /test/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab");
  ask(server, {.target = "/features"});  // by now both are known to the server
  LoopbackClient kept{server.port()};
  kept.send(request_text({.target = "/features"}));
  EXPECT_EQ(kept.receive().status, 200u);
  const auto start = std::chrono::steady_clock::now();
  server.begin_stop(std::chrono::seconds{5});
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(kept.is_closed());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{1});
  busy.send("cd");
  const Reply last = busy.receive();
  EXPECT_EQ(last.body, "abcd");
  EXPECT_EQ(last.header("Connection"), "close");
}

}  // namespace
}  // namespace comfy::server
