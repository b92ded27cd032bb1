// SPDX-License-Identifier: GPL-3.0-or-later
// Prompts that are wrong in one way each, generated, with the error that says so.
#include "foundation/base/strings.h"
#include "frontend/server/loopback_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

namespace comfy::server {
namespace {

/// A body and what its answer must say: the type of "error" and, where one node is to blame, that
/// node and the type of its first error.
struct Case {
  std::string body;
  std::string type;
  std::string node = {};
  std::string node_type = {};
};

constexpr std::string_view kGood = R"({"1": {"class_type": "EmptyImage", "inputs": {"width": 8,
  "height": 8, "batch_size": 1, "color": 0}}, "2": {"class_type": "ImageInvert", "inputs":
  {"image": ["1", 0]}}, "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0],
  "filename_prefix": "x"}}})";
constexpr const char* kRefused = "prompt_outputs_failed_validation";

Json good() { return parse_json(kGood); }
std::string body_of(const Json& prompt) { return to_json(Json::Object{{"prompt", prompt}}); }
/// The good prompt with one text in place of another; values that Json would not hold stay as
/// written.
std::string with(std::string_view from, std::string_view to) {
  std::string text{kGood};
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  text.replace(at, from.size(), to);
  return fmt::format(R"({{"prompt": {}}})", text);
}

void add_numbers(std::vector<Case>& cases) {
  struct Range {
    std::string name, written;
    std::int64_t min, max;
  };
  const std::vector<Range> ranges{{"width", R"("width": 8)", 1, 16384},
                                  {"height", R"("height": 8)", 1, 16384},
                                  {"batch_size", R"("batch_size": 1)", 1, 4096},
                                  {"color", R"("color": 0)", 0, 16777215}};
  for (const Range& range : ranges) {
    const auto add = [&](std::string_view value, const char* type) {
      cases.push_back({with(range.written, fmt::format(R"("{}": {})", range.name, value)), kRefused,
                       "1", type});
    };
    for (const std::int64_t below : {std::int64_t{1}, std::int64_t{2}, std::int64_t{1000},
                                     std::int64_t{1} << 31, std::int64_t{1} << 33}) {
      add(std::to_string(range.min - below), "value_smaller_than_min");
      add(std::to_string(range.max + below), "value_bigger_than_max");
      add(fmt::format("\"{}\"", range.max + below), "value_bigger_than_max");
      add(fmt::format("{}.0", range.max + below), "value_bigger_than_max");
    }
    for (const char* huge : {"9223372036854775807", "18446744073709551615", "1e18", "1e300",
                             "123456789012345678901234567890"}) {
      add(huge, "value_bigger_than_max");
    }
    for (const char* low : {"-9223372036854775808", "-1e18", "-1e300"}) {
      add(low, "value_smaller_than_min");
    }
    for (const char* no_number :
         {"null", "\"\"", "\"abc\"", "\"1.5\"", "\"0x10\"", "\"1e3\"", "\"1,000\"", "\"--1\"",
          "\"1 2\"", "{}", R"({"a": 1})", "NaN", "Infinity", "-Infinity", R"("\u0000")",
          R"({"__value__": "abc"})", R"({"__value__": null})", R"("one")", R"("8px")"}) {
      add(no_number, "invalid_input_type");
    }
    for (const char* no_link :
         {"[]", "[1]", "[1, 2, 3]", R"(["1"])", R"([["1", 0]])", "[[], [], []]", "[null]"}) {
      add(no_link, "bad_linked_input");
    }
  }
}

void add_links(std::vector<Case>& cases) {
  const std::vector<std::pair<std::string, std::string>> ends{{"2", R"("image": ["1", 0])"},
                                                              {"3", R"("images": ["2", 0])"}};
  for (const auto& [node, written] : ends) {
    const std::string name = written.substr(0, written.find(':') + 1);
    for (const char* length : {"[]", "[\"1\"]", "[\"1\", 0, 0]", "[null]", "[[\"1\", 0]]",
                               "[1, 2, 3, 4]", "[{}]", "[\"1\", 0, \"x\"]"}) {
      cases.push_back({with(written, name + length), kRefused, node, "bad_linked_input"});
    }
    // What cannot be looked up is said at the node itself, by another type when an input led there.
    for (const char* lost : {R"(["9", 0])",
                             R"(["", 0])",
                             R"([1, 0])",
                             R"([null, 0])",
                             R"([true, 0])",
                             R"([{}, 0])",
                             R"([[], 0])",
                             R"(["1", -1])",
                             R"(["1", 1])",
                             R"(["1", 9223372036854775807])",
                             R"(["1", 18446744073709551615])",
                             R"(["1", "0"])",
                             R"(["1", null])",
                             R"(["1", {}])",
                             R"(["1", []])",
                             R"(["1", 0.5])",
                             R"(["1", 1e30])",
                             R"(["1", NaN])",
                             R"([1.5, 0])",
                             R"(["1 ", 0])",
                             R"(["\u0000", 0])",
                             R"(["../1", 0])",
                             R"(["__proto__", 0])"}) {
      const bool last = node == "3";
      cases.push_back({with(written, name + lost), kRefused, node,
                       last ? "exception_during_validation" : "exception_during_inner_validation"});
    }
  }
  // The output has no sockets of its own.
  cases.push_back({with(R"("image": ["1", 0])", R"("image": ["3", 0])"), kRefused});
}

void add_missing(std::vector<Case>& cases) {
  const Json whole = good();
  for (const auto& [id, node] : whole.as_object()) {
    for (const auto& [name, value] : node.at("inputs").as_object()) {
      Json prompt = good();
      prompt[id]["inputs"].as_object().erase(name);
      cases.push_back({body_of(prompt), kRefused, id, "required_input_missing"});
      prompt[id]["inputs"][name + " "] = value;
      cases.push_back({body_of(prompt), kRefused, id, "required_input_missing"});
    }
    Json prompt = good();
    prompt[id]["inputs"] = Json::Array{};
    cases.push_back({body_of(prompt), kRefused, id, {}});
    for (const char* inputs : {"null", "5", "\"x\"", "true", "[1]", "1.5"}) {
      prompt[id]["inputs"] = parse_json(inputs);
      cases.push_back({body_of(prompt), kRefused});
    }
    prompt[id].as_object().erase("inputs");
    cases.push_back({body_of(prompt), kRefused});
  }
}

void add_classes(std::vector<Case>& cases) {
  for (const char* id : {"1", "2", "3"}) {
    for (const std::string& type : std::vector<std::string>{"null",
                                                            "5",
                                                            "-1.5",
                                                            "true",
                                                            "[]",
                                                            "{}",
                                                            "\"\"",
                                                            "\"Nope\"",
                                                            "\"emptyimage\"",
                                                            "\"EmptyImage \"",
                                                            "\" EmptyImage\"",
                                                            R"("EmptyImage\u0000")",
                                                            "\"__class__\"",
                                                            "\"../EmptyImage\"",
                                                            R"("<script>alert(1)</script>")",
                                                            R"("'; DROP TABLE job; --")",
                                                            R"("\ud83d\ude00")",
                                                            "[\"EmptyImage\"]",
                                                            R"({"a": 1})",
                                                            "\"" + std::string(10'000, 'x') + "\"",
                                                            "NaN"}) {
      Json prompt = good();
      prompt[id]["class_type"] = parse_json(type);
      cases.push_back({body_of(prompt), "invalid_prompt"});
    }
    Json prompt = good();
    prompt[id].as_object().erase("class_type");
    cases.push_back({body_of(prompt), "invalid_prompt"});
    for (const char* node : {"null", "5", "\"x\"", "[]", "{}", "true", "[{}]"}) {
      prompt = good();
      prompt[id] = parse_json(node);
      cases.push_back({body_of(prompt), "invalid_prompt"});
    }
  }
}

/// A ring of so many nodes in front of the output.
void add_cycles(std::vector<Case>& cases) {
  for (int length = 1; length <= 24; ++length) {
    Json prompt = good();
    for (int i = 0; i < length; ++i) {
      prompt[fmt::format("r{}", i)] = Json::Object{
          {"class_type", "ImageInvert"},
          {"inputs",
           Json::Object{{"image", Json::Array{fmt::format("r{}", (i + 1) % length), 0}}}}};
    }
    prompt["3"]["inputs"]["images"] = Json::Array{"r0", 0};
    cases.push_back(
        {body_of(prompt), kRefused, fmt::format("r{}", length - 1), "dependency_cycle"});
  }
}

void add_bodies(std::vector<Case>& cases) {
  for (const char* prompt : {"null", "5", "\"x\"", "true", "1.5", "[1]", "[{}]", "\"{}\""}) {
    cases.push_back({fmt::format(R"({{"prompt": {}}})", prompt), "invalid_prompt"});
  }
  for (const char* prompt : {"{}", "[]"}) {
    cases.push_back({fmt::format(R"({{"prompt": {}}})", prompt), "prompt_no_outputs"});
  }
  for (const char* body : {"{}", "[]", "null", "5", "\"x\"", "true", R"({"Prompt": {}})",
                           R"({"prompts": {}})", R"([{"prompt": {}}])"}) {
    cases.push_back({body, "no_prompt"});
  }
  for (const auto& [field, values] : std::map<std::string, std::vector<const char*>>{
           {"client_id", {"{}", "[]", "true", R"({"a": 1})", R"(["x"])"}},
           {"prompt_id", {"{}", "[]", "true", R"(["x"])"}},
           {"number", {"null", "\"x\"", "[]", "{}", "true", "\"1\""}},
           {"extra_data", {"null", "5", "\"x\"", "[]", "true", R"({"client_id": []})"}},
           {"partial_execution_targets", {"\"3\"", "5", "{}", "true"}}}) {
    for (const char* value : values) {
      cases.push_back(
          {fmt::format(R"({{"prompt": {}, "{}": {}}})", kGood, field, value), "invalid_request"});
    }
  }
  for (const char* id : {"a b", "a/b", "..\\\\x", "a\\u0000", "\\u00e9", "a\\nb", "<b>", "a;b",
                         "%2e", "'", "\\\"", "{}", "a,b"}) {
    cases.push_back(
        {fmt::format(R"({{"prompt": {}, "prompt_id": "{}"}})", kGood, id), "invalid_input"});
  }
  cases.push_back(
      {fmt::format(R"({{"prompt": {}, "prompt_id": "{}"}})", kGood, std::string(129, 'x')),
       "invalid_input"});
}

void add_broken_json(std::vector<Case>& cases) {
  const std::string whole = body_of(good());
  for (std::size_t cut = 1; cut < whole.size(); cut += 3) {
    cases.push_back({whole.substr(0, cut), "invalid_json"});
  }
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string bytes = whole;
    bytes.insert(at, "\x01");
    cases.push_back({std::move(bytes), "invalid_json"});
  }
  for (const std::string& text : std::vector<std::string>{
           whole + "x",
           whole + whole,
           whole + ",",
           "\xEF\xBB\xBF" + whole + "]",
           replace_all(whole, ":", "="),
           replace_all(whole, "\"", "'"),
           replace_all(whole, ", ", ",,"),
           R"({"prompt": {}, "prompt": {}})",
           R"({"prompt": {"1": {}, "1": {}}})",
           R"({"prompt": {"1": )" + std::string(300, '[') + std::string(300, ']') + "}}",
           std::string(100'000, '['),
           std::string(100'000, '{'),
           R"({"prompt": 01})",
           R"({"prompt": +1})",
           R"({"prompt": .5})",
           R"({"prompt": 1.})",
           R"({"prompt": 1e})",
           R"({"prompt": 0x10})",
           R"({"prompt": tru})",
           R"({"prompt": nul})",
           R"({"prompt": nan})",
           R"({"prompt": "\x"})",
           R"({"prompt": "\u12"})",
           R"({"prompt": "\ud800"})",
           R"({"prompt": "\udc00\ud800"})",
           "{\"prompt\": \"\xff\"}",
           "{\"prompt\": \"\xc0\xaf\"}",
           "{\"prompt\": \"\xed\xa0\x80\"}",
           "{\"prompt\": \"a\nb\"}",
           "{\"prompt\": \"a\tb\"}",
           R"({"prompt": /* */ 1})",
           "{\"prompt\": 1} // x",
           R"({prompt: 1})",
           R"({"prompt" 1})",
           R"({"prompt": [1,]})",
           R"({"prompt": {"a": 1,}})",
           "\xFE\xFF\0{"}) {
    cases.push_back({text, "invalid_json"});
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  add_numbers(cases);
  add_links(cases);
  add_missing(cases);
  add_classes(cases);
  add_cycles(cases);
  add_bodies(cases);
  add_broken_json(cases);
  return cases;
}

TEST(BadPrompts, AreRefusedWithTheErrorThatSaysWhatIsWrong) {
  const LoopbackServer server;
  const std::vector<Case> cases = all_cases();
  EXPECT_GE(cases.size(), 500u);
  for (const Case& one : cases) {
    const Reply reply = ask(server, {.method = "POST", .target = "/prompt", .body = one.body});
    const std::string shown = one.body.substr(0, 300);
    EXPECT_EQ(reply.status, 400u) << shown << " -> " << reply.body.substr(0, 500);
    if (reply.status != 400) continue;
    const Json answer = reply.json();
    EXPECT_EQ(answer.at("error").string_or("type", ""), one.type) << shown << reply.body;
    EXPECT_FALSE(answer.at("error").string_or("message", "").empty()) << shown;
    ASSERT_TRUE(answer.at("node_errors").is_object()) << shown;
    if (one.node.empty()) continue;
    const Json* blamed = answer.at("node_errors").find(one.node);
    EXPECT_NE(blamed, nullptr) << shown << reply.body;
    if (one.node_type.empty() || blamed == nullptr) continue;
    const Json& first = blamed->at("errors").as_array().at(0);
    EXPECT_EQ(first.string_or("type", ""), one.node_type) << shown << reply.body;
    EXPECT_FALSE(first.string_or("details", "").empty()) << shown;
  }
  EXPECT_EQ(ask(server, {.method = "POST", .target = "/prompt", .body = body_of(good())}).status,
            200u);
  EXPECT_EQ(ask(server, {.target = "/prompt"}).json().at("exec_info").int_or("queue_remaining", 0),
            1);
}

TEST(BadPrompts, AboveALimitAreRefusedByItsName) {
  const LoopbackServer server;
  const auto refusal = [&server](const std::string& body) {
    const Reply reply = ask(server, {.method = "POST", .target = "/prompt", .body = body});
    EXPECT_EQ(reply.status, 413u) << reply.body.substr(0, 300);
    EXPECT_EQ(reply.json().at("error").string_or("type", ""), "prompt_too_large");
    return reply.json().at("error").string_or("message", "");
  };
  std::string nodes;
  for (int i = 0; i <= 100'000; ++i) {
    nodes += fmt::format(R"({}"{}":{{"class_type":"ImageInvert","inputs":{{}}}})", i ? "," : "", i);
  }
  EXPECT_NE(refusal(R"({"prompt":{)" + nodes + "}}").find("100000 nodes"), std::string::npos);
  Json many = good();
  for (int i = 0; i < 1'025; ++i) many["1"]["inputs"][fmt::format("i{}", i)] = i;
  EXPECT_NE(refusal(body_of(many)).find("1024 inputs"), std::string::npos);
  Json text = good();
  text["3"]["inputs"]["filename_prefix"] = std::string((8 << 20) + 1, 'x');
  EXPECT_NE(refusal(body_of(text)).find("8388608 bytes"), std::string::npos);
}

}  // namespace
}  // namespace comfy::server
