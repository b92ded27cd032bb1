// SPDX-License-Identifier: GPL-3.0-or-later
// Malformed requests, forms and WebSocket frames, generated: whatever comes, the server answers
// with a 4xx or ends the connection, and serves the next client.
#include "foundation/base/strings.h"
#include "frontend/server/loopback_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

namespace comfy::server {
namespace {

Settings quick() {
  Settings settings;
  // What waits for more bytes that never come is answered soon.
  settings.limits.header_time = std::chrono::milliseconds{60};
  settings.limits.body_grace = std::chrono::milliseconds{60};
  settings.limits.write_stall = std::chrono::milliseconds{60};
  settings.limits.idle_time = std::chrono::milliseconds{60};
  return settings;
}

/// The status of the first answer to these bytes; 0 when the connection ends without one.
unsigned status_of_bytes(const LoopbackServer& server, std::string_view bytes) {
  LoopbackClient client{server.port()};
  client.send(bytes);
  try {
    return client.receive().status;
  } catch (const std::runtime_error&) {
    return 0;
  }
}

/// A busy machine may let the short limits of quick() pass before a request is sent: ask again
/// then.
void expect_alive(const LoopbackServer& server) {
  for (int i = 0; i < 50; ++i) {
    try {
      EXPECT_EQ(ask(server, {.target = "/features"}).status, 200u);
      return;
    } catch (const std::runtime_error&) {
      // closed as idle
    }
  }
  ADD_FAILURE() << "the server does not answer any more";
}

struct HttpCase {
  std::string bytes;
  bool must_refuse = true;  ///< false: odd, but a request all the same
};

std::string head(std::string_view line, std::string_view fields = "Host: localhost\r\n") {
  return fmt::format("{}\r\n{}\r\n", line, fields);
}

void add_request_lines(std::vector<HttpCase>& cases) {
  for (const std::string& line :
       std::vector<std::string>{"GET",
                                "GET ",
                                "GET /",
                                "GET / ",
                                "GET  / HTTP/1.1",
                                " GET / HTTP/1.1",
                                "GET / HTTP",
                                "GET / HTTP/",
                                "GET / HTTP/1",
                                "GET / HTTP/1.",
                                "GET / HTTP/1.x",
                                "GET / HTTP/11",
                                "GET / HTTP/2.0",
                                "GET / HTTP/0.9",
                                "GET / http/1.1",
                                "GET / HTTP/1.1 ",
                                "GET / HTTP/1.1x",
                                "GET\t/\tHTTP/1.1",
                                "/ GET HTTP/1.1",
                                "GET / FTP/1.1",
                                "G(T / HTTP/1.1",
                                "GET:/ HTTP/1.1",
                                "GET /\x01 HTTP/1.1",
                                "GET /\x7f HTTP/1.1",
                                "GET /a b HTTP/1.1",
                                "\xff\xfe / HTTP/1.1",
                                "GET / HTTP/1.1\rX",
                                "PRI * HTTP/2.0",
                                std::string("GET /\0 HTTP/1.1", 15),
                                std::string("G\0T / HTTP/1.1", 14),
                                "GET http:// HTTP/1.1",
                                "GET http://evil.test/ HTTP/1.1",
                                "CONNECT localhost:80 HTTP/1.1",
                                "GET " + std::string(8'190, 'a') + " HTTP/1.1",
                                "GET /" + std::string(9'000, 'a') + " HTTP/1.1",
                                std::string(70'000, 'G') + " / HTTP/1.1"}) {
    cases.push_back({head(line)});
  }
  for (const char* target : {"/%",
                             "/%4",
                             "/%zz",
                             "/%00",
                             "/view?%",
                             "/view?a=%zz",
                             "/view?filename=%",
                             "/history?max_items=%",
                             "/view?=%&%=",
                             "/..",
                             "/../../etc/passwd",
                             "/%2e%2e/%2e%2e/etc/passwd",
                             "/..%5c..",
                             "/./",
                             "//evil.test/",
                             "/\\evil.test",
                             "/api/../api",
                             "/;",
                             "/?",
                             "/??",
                             "/?&&&",
                             "/?a&b=&=c",
                             "/#x",
                             "/userdata/%",
                             "/userdata/%ff",
                             "/object_info/%00",
                             "/history/%0d%0a",
                             "/api/jobs/%00",
                             "/settings/%ff%fe",
                             "/internal/files/%2e%2e",
                             "/experiment/models/preview/%/%/%",
                             "/view_metadata/%ff?filename=%ff.safetensors",
                             "/models/%2e%2e%2f",
                             "/i18n/%00",
                             "*",
                             "?a",
                             "a"}) {
    for (const char* method : {"GET", "POST", "DELETE", "HEAD"}) {
      cases.push_back({head(fmt::format("{} {} HTTP/1.1", method, target)), false});
    }
  }
}

void add_fields(std::vector<HttpCase>& cases) {
  for (const std::string& fields : std::vector<std::string>{
           "",
           "Host:\r\n",
           "Host\r\n",
           "Host localhost\r\n",
           " Host: localhost\r\n",
           "Host : localhost\r\n",
           "Host: a b\r\n",
           "Host: localhost\r\nHost: localhost\r\n",
           "Host: localhost\r\nHost: evil.test\r\n",
           "Host: evil.test\r\n",
           "Host: localhost:99999\r\n",
           "Host: localhost:x\r\n",
           "Host: [::1\r\n",
           "Host: ::1\r\n",
           "Host: user@localhost\r\n",
           "Host: localhost/\r\n",
           "Host: localhost,evil.test\r\n",
           "Host: \xff\r\n",
           "Host: ..\r\n",
           "Host: localhost\r\n: empty\r\n",
           "Host: localhost\r\nA\x01: b\r\n",
           "Host: localhost\r\nA: \x01\r\n",
           "Host: localhost\r\nA B: c\r\n",
           std::string("Host: localhost\r\nA: \0b\r\n", 23),
           "Host: localhost\r\nA(: b\r\n",
           "Host: localhost\r\n\x80: b\r\n",
           "Host: localhost\r\n" + std::string(20'000, 'A') + ": b\r\n",
           "Host: localhost\r\nA: " + std::string(20'000, 'b') + "\r\n",
           "Host: localhost\r\nOrigin: null\r\n",
           "Host: localhost\r\nOrigin:\r\n",
           "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://localhost\r\n"}) {
    cases.push_back({head("GET /queue HTTP/1.1", fields)});
  }
  std::string many = "Host: localhost\r\n";
  for (int i = 0; i < 200; ++i) many += fmt::format("A{}: b\r\n", i);
  cases.push_back({head("GET /queue HTTP/1.1", many)});
  for (const char* range :
       {"bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-1", "bytes=0-99999999999999999999",
        "bytes=-0", "bytes=0-0,1-1,2-2", "lines=1-2", "bytes=--5", "bytes= 0 - 1", "bytes=0x0-1",
        "bytes=18446744073709551616-", "bytes=0-,-1"}) {
    cases.push_back({head("GET /scripts/app.js HTTP/1.1",
                          fmt::format("Host: localhost\r\nRange: {}\r\n", range)),
                     false});
  }
  for (const char* field : {"If-None-Match: \"",
                            "If-None-Match: *,*,",
                            "If-Modified-Since: never",
                            "If-Modified-Since: Sun, 99 Foo 2026 99:99:99 GMT",
                            "If-Range: x",
                            "Accept-Encoding: gzip;q=x",
                            "Accept-Encoding: ;;;,,,",
                            "Cookie: ===;;;",
                            "Cookie: a",
                            "Authorization:",
                            "Authorization: x",
                            "Authorization: Basic !!!",
                            "Authorization: Bearer",
                            "comfy-user: ../../x",
                            "comfy-user: \xff",
                            "Connection: upgrade, close, x",
                            "Expect: 200-ok",
                            "Content-Type: ;",
                            "Idempotency-Key: \x7f",
                            "X-Forwarded-For: a,b,,c",
                            "X-Forwarded-Host: evil.test",
                            "Sec-Fetch-Site: \xff",
                            "Access-Control-Request-Method: x",
                            "Upgrade: h2c"}) {
    cases.push_back(
        {head("GET /features HTTP/1.1", fmt::format("Host: localhost\r\n{}\r\n", field)), false});
  }
}

void add_bodies(std::vector<HttpCase>& cases) {
  const auto post = [&cases](const std::string& fields, const std::string& body) {
    cases.push_back({head("POST /queue HTTP/1.1", "Host: localhost\r\n" + fields) + body});
  };
  for (const char* length : {"-1", "+1", "x", "1x", "0x1", "1,1", "1, 2", "18446744073709551616",
                             "99999999999999999999999", "1.0", "", " ", "1 1", "5;"}) {
    post(fmt::format("Content-Length: {}\r\n", length), "{}");
  }
  post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}x");
  post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n");
  post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "2\r\n{}\r\n0\r\n\r\n");
  post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n");
  post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n");
  post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n");
  post("Transfer-Encoding: gzip\r\n", "x");
  post(
      "Transfer-Encoding:\x0b"
      "chunked\r\n",
      "0\r\n\r\n");
  for (const char* chunks :
       {"x\r\n", "-1\r\n{}\r\n", "0x2\r\n{}\r\n0\r\n\r\n", "2\r\n{}x\r\n0\r\n\r\n", "2\n{}\n0\n\n",
        "FFFFFFFFFFFFFFFFF\r\n", "7FFFFFFFFFFFFFFF\r\nx", "2 \r\n{}\r\n0\r\n",
        "2;a=\"\r\n{}\r\n0\r\n", "\r\n\r\n", "2\r\n{", "2\r\n{}", "2\r\n{}\r\n", "2\r\n{}\r\n0",
        "2\r\n{}\r\n0\r\n", "2\r\n{}\r\n0\r\nX", "2\r\n{}\r\n0\r\n: x\r\n\r\n", "200000\r\n"}) {
    post("Transfer-Encoding: chunked\r\n", chunks);
  }
  for (const char* body : {"{", "[", "\"", "nul", "{\"a\"", "\xff\xff", "[1,2", "{}{}"}) {
    post(fmt::format("Content-Length: {}\r\n", std::string_view{body}.size()), body);
  }
  post("Content-Length: 2000000\r\n", "{}");
  post("Content-Length: 10\r\n", "{}");
}

TEST(BadRequests, NeverStopTheServerAndNeverGetA500) {
  const LoopbackServer server{quick()};
  std::vector<HttpCase> cases;
  add_request_lines(cases);
  add_fields(cases);
  add_bodies(cases);
  EXPECT_GE(cases.size(), 250u);
  for (const HttpCase& one : cases) {
    const unsigned status = status_of_bytes(server, one.bytes);
    const std::string shown = one.bytes.substr(0, 200);
    EXPECT_LT(status, 500u) << shown;
    const bool answered_well = status == 0 || status >= 400 || !one.must_refuse;
    EXPECT_TRUE(answered_well) << status << " " << shown;
  }
  expect_alive(server);
}

TEST(BadRequests, CutAtAnyByteAreNoOthers) {
  const LoopbackServer server{quick()};
  const std::string whole = request_text({.method = "POST",
                                          .target = "/queue",
                                          .headers = {{"A", "b"}},
                                          .body = R"({"clear": true})"});
  for (std::size_t cut = 0; cut < whole.size(); cut += 2) {
    const unsigned status = status_of_bytes(server, whole.substr(0, cut));
    EXPECT_TRUE(status == 0 || status == 408 || status == 400) << status << " at " << cut;
  }
  expect_alive(server);
}

TEST(BadRequests, AfterABadOneAreNotTakenFromItsBytes) {
  const LoopbackServer server{quick()};
  // Two requests in one go, the first with a body that two parsers would end at different places.
  for (const char* fields : {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                             "Content-Length: 4\r\nContent-Length: 40\r\n",
                             "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"}) {
    LoopbackClient client{server.port()};
    client.send(
        fmt::format("POST /queue HTTP/1.1\r\nHost: localhost\r\n{}\r\n0\r\n\r\n"
                    "GET /features HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    fields));
    try {
      const Reply first = client.receive();
      EXPECT_GE(first.status, 400u) << fields;
      EXPECT_EQ(first.header("Connection"), "close") << fields;
      EXPECT_TRUE(client.is_closed()) << fields;
    } catch (const std::runtime_error&) {
      // Ended without a word: nothing was taken.
    }
  }
}

struct FormCase {
  std::string type;
  std::string body;
};

std::vector<FormCase> form_cases() {
  const std::string good_type = "multipart/form-data; boundary=b";
  const std::string whole =
      "--b\r\nContent-Disposition: form-data; name=\"image\"; "
      "filename=\"a.png\"\r\n\r\nPNG\r\n--b--";
  std::vector<FormCase> cases;
  for (std::size_t cut = 0; cut + 4 < whole.size(); cut += 2) {
    cases.push_back({good_type, whole.substr(0, cut)});
  }
  for (const char* type :
       {"", "multipart/form-data", "multipart/form-data;", "multipart/form-data; boundary",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"",
        "multipart/mixed; boundary=b", "application/json", "multipart/form-data; boundary=c",
        "multipart/form-data; charset=b", "multipart/form-data boundary=b",
        "multipart/form-data; boundary=\"\"", "text/plain; boundary=b",
        "multipart/form-data; boundary=bb", ";;;boundary=b"}) {
    cases.push_back({type, whole});
  }
  cases.push_back({"multipart/form-data; boundary=" + std::string(71, 'b'), whole});
  const auto part = [](std::string_view headers, std::string_view content = "x") {
    return fmt::format("--b\r\n{}\r\n\r\n{}\r\n--b--", headers, content);
  };
  for (const std::string& headers : std::vector<std::string>{
           "",
           "Content-Disposition",
           "Content-Disposition:",
           "Content-Disposition: attachment; name=image",
           "Content-Disposition: form-data",
           "Content-Disposition: form-data; name",
           "Content-Disposition: form-data; name=image",
           "Content-Disposition: form-data; name=\"image\"",
           "Content-Disposition: form-data; name=image; filename=",
           "Content-Disposition: form-data; name=image; filename=\"\"",
           "Content-Disposition: form-data; name=image; filename=\"..\"",
           "Content-Disposition: form-data; name=image; filename=\"../../x\"",
           "Content-Disposition: form-data; name=image; filename=\"/etc/x\"",
           "Content-Disposition: form-data; name=image; filename=\"a/../b\"",
           "Content-Disposition: form-data; name=image; filename=\"nul.png\"",
           "Content-Disposition: form-data; name=image; filename=\"a.png.\"",
           "Content-Disposition: form-data; name=image; filename=\"a\\\\b\"",
           std::string("Content-Disposition: form-data; name=image; filename=\"a\0b\"", 59),
           "Content-Disposition: form-data; name=image; filename=\"\xff\"",
           "Content-Disposition: form-data; name=image; filename*=UTF-8''..%2Fx",
           "Content-Disposition: form-data; name=image; filename*=UTF-8''%00",
           "Content-Disposition: form-data; name=image; filename*=UTF-8''%FF",
           "Content-Disposition: form-data; name=image; filename=\"" + std::string(300, 'x') + "\"",
           "Content-Disposition: form-data; name=other; filename=a.png",
           "Content-Disposition: form-data; name=IMAGE; filename=a.png",
           "X: " + std::string(9'000, 'x'),
           "no colon here",
           ": x",
           "\r\n"}) {
    cases.push_back({good_type, part(headers)});
  }
  std::string many;
  for (int i = 0; i < 65; ++i) {
    many += "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n";
  }
  cases.push_back({good_type, many + "--b--"});
  const std::string image =
      "--b\r\nContent-Disposition: form-data; name=image; filename=a.png\r\n\r\nPNG\r\n";
  for (const char* field : {"type", "subfolder"}) {
    for (const char* value :
         {"..", "../x", "/etc", "a\\b", "\xff", "user", "INPUT", "a/../../b", "con"}) {
      const bool valid = std::string_view{field} == "subfolder" &&
                         (std::string_view{value} == "user" || std::string_view{value} == "INPUT");
      if (valid) continue;
      cases.push_back(
          {good_type,
           image + fmt::format("--b\r\nContent-Disposition: form-data; name={}\r\n\r\n{}\r\n--b--",
                               field, value)});
    }
  }
  std::string almost;
  while (almost.size() < 200'000) almost += "\r\n--a\r\n-b\r\n--";
  cases.push_back({good_type, image + almost});
  return cases;
}

TEST(BadForms, AreRefusedAndLeaveNoFile) {
  const LoopbackServer server;
  const std::vector<FormCase> cases = form_cases();
  EXPECT_GE(cases.size(), 100u);
  for (const char* target : {"/upload/image", "/upload/mask"}) {
    for (const FormCase& one : cases) {
      const Reply reply = ask(server, {.method = "POST",
                                       .target = target,
                                       .headers = {{"Content-Type", one.type}},
                                       .body = one.body + "\r\n"});
      EXPECT_TRUE(reply.status == 400 || reply.status == 403 || reply.status == 413)
          << target << " " << reply.status << " " << one.type << "\n"
          << one.body.substr(0, 200);
    }
  }
  const auto input = server.base().path() / "input";
  EXPECT_TRUE(std::filesystem::is_empty(input));
  expect_alive(server);
}

/// A frame as a client sends it: masked with zeros unless `mask` is false.
std::string frame(unsigned first, std::string_view payload, bool mask = true,
                  std::optional<std::uint64_t> claimed = {}) {
  std::string bytes(1, static_cast<char>(first));
  const std::uint64_t size = claimed.value_or(payload.size());
  const unsigned bit = mask ? 0x80 : 0;
  if (size < 126) {
    bytes += static_cast<char>(bit | size);
  } else if (size < 65'536) {
    bytes += static_cast<char>(bit | 126);
    for (int shift = 8; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
  } else {
    bytes += static_cast<char>(bit | 127);
    for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
  }
  if (mask) bytes += std::string(4, '\0');
  return bytes + std::string{payload};
}

std::vector<std::string> bad_frames() {
  std::vector<std::string> all;
  // Reserved codes, reserved bits, unmasked frames, fragments without a beginning.
  for (const unsigned code : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
    all.push_back(frame(0x80 | code, "x"));
    all.push_back(frame(code, "x"));
  }
  for (const unsigned bits : {0x10u, 0x20u, 0x30u, 0x40u, 0x50u, 0x60u, 0x70u}) {
    for (const unsigned code : {1u, 2u, 8u, 9u, 10u}) all.push_back(frame(0x80 | bits | code, "x"));
  }
  for (const unsigned code : {1u, 2u, 8u, 9u, 10u}) all.push_back(frame(0x80 | code, "x", false));
  for (const unsigned code : {8u, 9u, 10u}) {
    all.push_back(frame(code, "x"));
    all.push_back(frame(0x80 | code, std::string(126, 'x')));
    all.push_back(frame(0x80 | code, std::string(70'000, 'x')));
  }
  all.push_back(frame(0x80, "x"));
  all.push_back(frame(0x00, "x"));
  all.push_back(frame(0x01, "a") + frame(0x81, "b"));
  all.push_back(frame(0x02, "a") + frame(0x82, "b"));
  // Lengths that are not meant.
  for (const std::uint64_t size :
       {std::uint64_t{5} << 20, std::uint64_t{1} << 31, std::uint64_t{1} << 40,
        std::uint64_t{1} << 62, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    all.push_back(frame(0x81, "x", true, size));
    all.push_back(frame(0x82, "x", true, size));
    all.push_back(frame(0x89, "x", true, size));
  }
  all.push_back(std::string("\x81\xfe\x00\x01\0\0\0\0x", 9));
  all.push_back(std::string("\x81\xff\0\0\0\0\0\0\0\x01\0\0\0\0x", 15));
  // Text that is none, close frames with bad codes and reasons.
  for (const char* text :
       {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "a\x80", "\xe2\x28\xa1"}) {
    all.push_back(frame(0x81, text));
    all.push_back(frame(0x88, std::string("\x03\xe8", 2) + text));
  }
  for (const unsigned code :
       {0u, 1u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 1100u, 2000u, 2999u, 5000u, 65'535u}) {
    all.push_back(frame(0x88, std::string{static_cast<char>(code >> 8), static_cast<char>(code)}));
  }
  all.push_back(frame(0x88, "x"));
  for (const char* noise : {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "\x81", "\x81\x80",
                            "\xff\xff\xff\xff", "PRI * HTTP/2.0\r\n"}) {
    all.emplace_back(noise);
  }
  return all;
}

/// Frames that are sound and say nothing that the server wants.
std::vector<std::string> idle_frames() {
  std::vector<std::string> all;
  for (const char* text :
       {"", "x", "{", "null", "[]", "5", "\"x\"", "{}", R"({"type": null})", R"({"type": 5})",
        R"({"type": "x"})", R"({"type": "feature_flags"})",
        R"({"type": "feature_flags", "data": null})", R"({"type": "feature_flags", "data": []})",
        R"({"type": "feature_flags", "data": 5})",
        R"({"type": "feature_flags", "data": {"supports_preview_metadata": "x"}})",
        R"({"type": "feature_flags", "type": "x"})", R"({"data": {}})", R"({"type": {"a": []}})"}) {
    all.push_back(frame(0x81, text));
    all.push_back(frame(0x82, text));
  }
  all.push_back(frame(0x81, std::string(100'000, '[')));
  all.push_back(frame(0x81, std::string(100'000, '{')));
  all.push_back(frame(0x89, "ping") + frame(0x8a, "pong") + frame(0x8a, ""));
  all.push_back(frame(0x01, "{\"ty") + frame(0x89, "between") + frame(0x80, "pe\": 1}"));
  return all;
}

std::string upgrade(const std::string& more = {}, const std::string& version = "13",
                    const std::string& key = "dGhlIHNhbXBsZSBub25jZQ==") {
  return fmt::format(
      "GET /ws?clientId=a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
      "Upgrade: websocket\r\nSec-WebSocket-Version: {}\r\nSec-WebSocket-Key: {}\r\n{}\r\n",
      version, key, more);
}

/// Opens a socket, sends bytes and waits until the server ends it or answers a ping.
enum class End { closed, alive };
End after(const LoopbackServer& server, const std::string& bytes) {
  LoopbackClient client{server.port()};
  client.send(upgrade());
  if (client.receive(LoopbackClient::Expect::head).status != 101) return End::closed;
  client.send(bytes + frame(0x89, "are you there"));
  std::string seen;
  try {
    while (true) {
      seen += client.receive_some();
      if (seen.find("are you there") != std::string::npos) return End::alive;
    }
  } catch (const std::runtime_error&) {
    return End::closed;
  }
}

TEST(BadFrames, EndTheirSocketAndNoOther) {
  Settings settings;
  settings.limits.socket_silence = std::chrono::milliseconds{1'000};
  const LoopbackServer server{settings};
  const std::vector<std::string> cases = bad_frames();
  EXPECT_GE(cases.size(), 100u);
  for (const std::string& bytes : cases) {
    LoopbackClient client{server.port()};
    client.send(upgrade());
    ASSERT_EQ(client.receive(LoopbackClient::Expect::head).status, 101u);
    client.send(bytes);
  }
  // Most of them end at once; a length that is never sent ends with the silence limit.
  for (const std::size_t sample : {std::size_t{0}, std::size_t{30}, std::size_t{60}}) {
    EXPECT_EQ(after(server, cases.at(sample)), End::closed) << sample;
  }
  for (const std::string& bytes : idle_frames()) {
    EXPECT_EQ(after(server, bytes), End::alive) << bytes.substr(0, 60);
  }
  expect_alive(server);
}

TEST(BadUpgrades, AreRefused) {
  const LoopbackServer server{quick()};
  for (const std::string& bytes :
       {upgrade({}, "12"), upgrade({}, "x"), upgrade({}, "13", ""), upgrade({}, "13", "short"),
        upgrade("Origin: http://evil.test\r\n"), upgrade("Origin: null\r\n"),
        upgrade("Sec-WebSocket-Version: 8\r\n"), upgrade("Transfer-Encoding: chunked\r\n"),
        upgrade("Content-Length: 5\r\n") + "hello", upgrade() + frame(0x81, "too early"),
        upgrade({}, "13", "AAAAAAAAAAAAAAAAAAAA"), upgrade("Sec-WebSocket-Key: a\r\n"),
        replace_all(upgrade(), "GET", "POST"), replace_all(upgrade(), "/ws", "/queue?x="),
        replace_all(upgrade(), "Upgrade: websocket", "Upgrade: h2c"),
        replace_all(upgrade(), "Host: localhost", "Host: evil.test"),
        replace_all(upgrade(), "clientId=a", "clientId=%")}) {
    const unsigned status = status_of_bytes(server, bytes);
    EXPECT_NE(status, 101u) << bytes;
    EXPECT_LT(status, 500u) << bytes;
  }
  expect_alive(server);
}

}  // namespace
}  // namespace comfy::server
