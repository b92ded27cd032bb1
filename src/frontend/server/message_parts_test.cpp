// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces of a message that need no connection: fields, queries, routes, conditions, bodies.
#include "foundation/base/error.h"
#include "frontend/server/body_sink.h"
#include "frontend/server/conditional.h"
#include "frontend/server/content_type.h"
#include "frontend/server/error_reply.h"
#include "frontend/server/fields.h"
#include "frontend/server/gzip.h"
#include "frontend/server/log_ring.h"
#include "frontend/server/request.h"
#include "frontend/server/response.h"
#include "frontend/server/route.h"
#include "frontend/server/routes/ids.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <set>

namespace comfy::server {
namespace {

awaitable<Response> nothing(const Request&, Services&) { co_return empty_response(); }

TEST(Headers, FindNamesWithoutCaseAndReplaceAllOfThem) {
  Headers headers;
  headers.add("Content-Type", "a");
  headers.add("content-type", "b");
  EXPECT_EQ(headers.find("CONTENT-TYPE"), "a");
  EXPECT_EQ(headers.count("content-Type"), 2u);
  headers.set("Content-type", "c");
  EXPECT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers.find("Content-Type"), "c");
  EXPECT_FALSE(headers.find("Content-Typ"));
}

TEST(Query, DecodesNamesAndValuesOnce) {
  const Query query{"filename=a%20b+c%252Fd&empty=&flag&n=-12&filename=second"};
  EXPECT_EQ(query.find("filename"), "a b c%2Fd");
  EXPECT_EQ(query.find("empty"), "");
  EXPECT_EQ(query.find("flag"), "");
  EXPECT_EQ(query.find_integer("n"), -12);
  EXPECT_FALSE(query.find("none"));
  EXPECT_FALSE(query.find_integer("none"));
}

TEST(Query, NamesWhatIsNoNumberAndNoEscape) {
  for (const char* text : {"n=abc", "n=", "n=1.5", "n=9223372036854775808", "n= 1", "n=1x"}) {
    EXPECT_THROW(Query{text}.find_integer("n"), Error) << text;
  }
  EXPECT_THROW(Query{"a=%zz"}, Error);
  EXPECT_THROW(Query{"%4=a"}, Error);
}

TEST(RouteTable, DecodesSegmentsAfterMatching) {
  const RouteTable table{{{Method::get, "/userdata/{file}", nothing},
                          {Method::post, "/userdata/{file}/move/{dest}", nothing},
                          {Method::get, "/preview/{folder}/{name...}", nothing}}};
  const RouteMatch match = table.match(Method::get, "/userdata/workflows%2Fa%20b.json");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.parameters, std::vector<std::string>{"workflows/a b.json"});
  const RouteMatch move = table.match(Method::post, "/api/userdata/a%2Fb/move/c");
  EXPECT_EQ(move.parameters, (std::vector<std::string>{"a/b", "c"}));
  const RouteMatch rest = table.match(Method::get, "/preview/loras/sub/x%2Fy.png");
  EXPECT_EQ(rest.parameters, (std::vector<std::string>{"loras", "sub/x/y.png"}));
  EXPECT_EQ(table.match(Method::get, "/userdata/").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "/userdata/%zz").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "/userdata/a/b").route, nullptr);
}

TEST(RouteTable, ServesRowsUnderApiUnlessTheySayOtherwise) {
  const RouteTable table{{{Method::get, "/prompt", nothing},
                          {Method::get, "/internal/logs", nothing, BodyLimit::small, Alias::none},
                          {Method::get, "/api/jobs", nothing, BodyLimit::small, Alias::none}}};
  EXPECT_NE(table.match(Method::get, "/api/prompt").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "/api/api/prompt").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "/api/internal/logs").route, nullptr);
  EXPECT_NE(table.match(Method::get, "/api/jobs").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "/jobs").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "//prompt").route, nullptr);
  EXPECT_EQ(table.match(Method::get, "/prompt/").route, nullptr);
}

TEST(RouteTable, PrefersAFixedSegmentAndListsTheMethodsOfAPath) {
  const RouteTable table{{{Method::post, "/jobs/{id}/cancel", nothing},
                          {Method::get, "/jobs/{id}", nothing},
                          {Method::get, "/jobs/cancel", nothing},
                          {Method::post, "/jobs/{id}", nothing}}};
  const RouteMatch match = table.match(Method::get, "/jobs/cancel");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.route->pattern, "/jobs/cancel");
  EXPECT_TRUE(match.parameters.empty());
  const RouteMatch wrong = table.match(Method::delete_, "/jobs/x");
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_EQ(std::set(wrong.methods_of_path.begin(), wrong.methods_of_path.end()),
            (std::set{Method::get, Method::post}));
}

TEST(RouteTable, RefusesARowThatCannotWork) {
  EXPECT_THROW((RouteTable{{{Method::get, "prompt", nothing}}}), Error);
  EXPECT_THROW((RouteTable{{{Method::get, "/prompt", nullptr}}}), Error);
}

TEST(Range, IsReadAsRfc9110Says) {
  using Verdict = RangeVerdict;
  struct Case {
    const char* text;
    Verdict verdict;
    Span span;
  };
  for (const Case& c :
       {Case{"bytes=0-9", Verdict::part, {0, 10}}, Case{"bytes=90-", Verdict::part, {90, 100}},
        Case{"bytes=-10", Verdict::part, {90, 100}}, Case{"bytes=-1000", Verdict::part, {0, 100}},
        Case{"bytes=50-5000", Verdict::part, {50, 100}},
        Case{"bytes=100-", Verdict::unsatisfiable, {}},
        Case{"bytes=-0", Verdict::unsatisfiable, {}}, Case{"bytes=9-0", Verdict::whole, {}},
        Case{"bytes=0-1,5-6", Verdict::whole, {}}, Case{"lines=0-9", Verdict::whole, {}},
        Case{"bytes=a-b", Verdict::whole, {}}, Case{"bytes=", Verdict::whole, {}},
        Case{"bytes=18446744073709551616-", Verdict::whole, {}}}) {
    const RangeAnswer answer = parse_range(c.text, 100);
    EXPECT_EQ(answer.verdict, c.verdict) << c.text;
    EXPECT_EQ(answer.span, c.span) << c.text;
  }
}

TEST(Conditions, MakeOfAFileWhatTheRequestAsks) {
  const FileVersion file{100, 784'111'777'000'000'000};
  EXPECT_EQ(file.last_modified(), "Sun, 06 Nov 1994 08:49:37 GMT");
  const auto status = [&](const char* name, std::string value, const char* second = nullptr,
                          std::string other = {}) {
    Headers request;
    request.add(name, std::move(value));
    if (second != nullptr) request.add(second, std::move(other));
    return evaluate(request, file).status;
  };
  EXPECT_EQ(status("Accept", "*/*"), 200u);
  EXPECT_EQ(status("If-None-Match", file.etag()), 304u);
  EXPECT_EQ(status("If-None-Match", "\"x\", W/" + file.etag()), 304u);
  EXPECT_EQ(status("If-None-Match", "*"), 304u);
  EXPECT_EQ(status("If-None-Match", "\"x\""), 200u);
  EXPECT_EQ(status("If-Modified-Since", file.last_modified()), 304u);
  EXPECT_EQ(status("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 200u);
  EXPECT_EQ(status("If-Modified-Since", "yesterday"), 200u);
  EXPECT_EQ(status("If-None-Match", "\"x\"", "If-Modified-Since", file.last_modified()), 200u);
  EXPECT_EQ(status("Range", "bytes=0-0"), 206u);
  EXPECT_EQ(status("Range", "bytes=100-"), 416u);
  EXPECT_EQ(status("Range", "bytes=0-0", "If-Range", file.etag()), 206u);
  EXPECT_EQ(status("Range", "bytes=0-0", "If-Range", "\"x\""), 200u);
  EXPECT_EQ(status("Range", "bytes=0-0", "If-Range", file.last_modified()), 206u);
}

TEST(HttpDate, ReadsOnlyWholeDates) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784'111'777);
  EXPECT_FALSE(parse_http_date("Sun, 32 Nov 1994 08:49:37 GMT"));
  EXPECT_FALSE(parse_http_date("Sun, 06 Xxx 1994 08:49:37 GMT"));
  EXPECT_FALSE(parse_http_date("Sun, 06 Nov 1994 08:49:37 CET"));
  EXPECT_FALSE(parse_http_date(""));
}

TEST(ContentDisposition, NeverLetsANameLeaveItsQuotes) {
  EXPECT_EQ(content_disposition("", "a.png"), "filename=\"a.png\"");
  EXPECT_EQ(content_disposition("attachment", "a\"b\r\nX: y\\.png"),
            "attachment; filename=\"a_b__X: y_.png\"; filename*=UTF-8''a%22b%0D%0AX%3A%20y%5C.png");
  EXPECT_EQ(content_disposition("", "\xC3\xBC \xE6\x97\xA5.png"),
            "filename=\"_ _.png\"; filename*=UTF-8''%C3%BC%20%E6%97%A5.png");
  EXPECT_EQ(content_disposition("", "\xff.png"), "filename=\"_.png\"");
}

TEST(ErrorReply, KnowsTheStatusOfEveryKind) {
  using Kind = Error::Kind;
  const auto status = [](Kind kind, std::string details = {}) {
    return error_reply(Error{kind, "expected a, got b", std::move(details)}).status;
  };
  EXPECT_EQ(status(Kind::invalid_prompt), 400u);
  EXPECT_EQ(status(Kind::invalid_input), 400u);
  EXPECT_EQ(status(Kind::not_found), 404u);
  EXPECT_EQ(status(Kind::forbidden), 403u);
  EXPECT_EQ(status(Kind::conflict), 409u);
  EXPECT_EQ(status(Kind::too_large), 413u);
  EXPECT_EQ(status(Kind::unsupported), 501u);
  EXPECT_EQ(status(Kind::unavailable), 503u);
  EXPECT_EQ(status(Kind::unavailable, "queue_full"), 429u);
  EXPECT_EQ(status(Kind::unavailable, "disk_full"), 507u);
  EXPECT_EQ(status(Kind::internal), 500u);
}

TEST(ErrorReply, ShowsEveryFieldAndHidesForeignTexts) {
  const Response reply =
      error_reply(Error{Error::Kind::invalid_input, "expected a, got b", "more"}.at_input("seed"));
  const Json body = parse_json(std::get<std::string>(reply.body));
  EXPECT_EQ(body.at("error").string_or("type", ""), "invalid_input");
  EXPECT_EQ(body.at("error").string_or("message", ""), "expected a, got b");
  EXPECT_EQ(body.at("error").string_or("details", ""), "more");
  EXPECT_EQ(body.at("error").at("extra_info").string_or("input_name", ""), "seed");
  EXPECT_TRUE(body.at("node_errors").is_object());
  Response hidden;
  try {
    throw std::runtime_error{"/home/secret"};
  } catch (...) {
    hidden = error_reply_for_current_exception();
  }
  EXPECT_EQ(hidden.status, 500u);
  EXPECT_EQ(std::get<std::string>(hidden.body).find("secret"), std::string::npos);
}

TEST(Gzip, ComesBackWhole) {
  const std::string text(100'000, 'a');
  std::string packed = gzip(text, 6);
  EXPECT_LT(packed.size(), 1'000u);
  std::string plain(text.size(), '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  inflateEnd(&stream);
  EXPECT_EQ(plain, text);
}

TEST(Gzip, IsSentOnlyToWhomItSuits) {
  EXPECT_TRUE(accepts_gzip("gzip"));
  EXPECT_TRUE(accepts_gzip("deflate, GZIP;q=0.5, br"));
  EXPECT_FALSE(accepts_gzip("gzip;q=0, br"));
  EXPECT_FALSE(accepts_gzip("deflate, br"));
  EXPECT_FALSE(accepts_gzip(""));
}

TEST(ShippedFiles, HaveTheTypesThatTheEditorNeeds) {
  EXPECT_TRUE(shipped_content_type("a.js").starts_with("text/javascript"));
  EXPECT_TRUE(shipped_content_type("a.MJS").starts_with("text/javascript"));
  EXPECT_EQ(shipped_content_type("index.json"), "application/json");
  EXPECT_EQ(shipped_content_type("a.wasm"), "application/wasm");
  EXPECT_EQ(shipped_content_type("noext"), "application/octet-stream");
}

TEST(BodySink, LooksTheSameInMemoryAndInAFile) {
  for (const std::size_t in_memory : {std::size_t{1'000'000}, std::size_t{10}}) {
    BodySink sink{in_memory, {}};
    std::string expected;
    for (int i = 0; i < 100; ++i) {
      const std::string piece = "piece " + std::to_string(i) + ";";
      expected += piece;
      sink.add(piece);
      if (sink.is_full()) sink.flush();
    }
    EXPECT_EQ(sink.is_spilled(), in_memory == 10);
    const Body body = sink.finish();
    const Body copy = body;  // NOLINT(performance-unnecessary-copy-initialization): copies share
    EXPECT_EQ(copy.view(), expected);
  }
}

TEST(BodySink, SaysWhenThereIsNoFolderForIt) {
  BodySink sink{1, "/no/such/folder"};
  sink.add("much");
  EXPECT_THROW(sink.flush(), Error);
}

TEST(LogRing, KeepsTheLastLinesAndHandsOutNewOnesOnce) {
  ManualClock clock;
  LogRing ring{clock};
  int notified = 0;
  ring.on_new([&notified] { ++notified; });
  for (int i = 0; i < 310; ++i) ring.add("line " + std::to_string(i));
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(ring.raw().at("entries").as_array().size(), 300u);
  EXPECT_EQ(ring.text().find("line 9\n"), std::string::npos);
  EXPECT_NE(ring.text().find(" - line 10\n"), std::string::npos);
  EXPECT_EQ(ring.take_new().as_array().size(), 300u);
  EXPECT_TRUE(ring.take_new().as_array().empty());
  ring.add("another");
  EXPECT_EQ(notified, 2);
}

TEST(PromptIds, AreStringsOrNumbers) {
  EXPECT_EQ(prompt_ids(parse_json(R"(["a", 5])"), "delete"), (std::vector<std::string>{"a", "5"}));
  EXPECT_THROW(prompt_ids(parse_json(R"("abc")"), "delete"), Error);
  EXPECT_THROW(prompt_ids(parse_json("5"), "delete"), Error);
  EXPECT_THROW(prompt_ids(parse_json("[null]"), "delete"), Error);
  EXPECT_FALSE(truth_of(parse_json("0")));
  EXPECT_FALSE(truth_of(parse_json("{}")));
  EXPECT_TRUE(truth_of(parse_json("\"x\"")));
}

}  // namespace
}  // namespace comfy::server
