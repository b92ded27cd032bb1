// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/files/multipart.h"

#include "foundation/base/error.h"
#include "frontend/server/files/base64.h"
#include "frontend/server/files/inert_type.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

namespace comfy::server {
namespace {

using namespace std::string_literals;

const std::string kType = "multipart/form-data; boundary=XX";

std::string part(const std::string& head, const std::string& content) {
  return "--XX\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + content + "\r\n";
}

std::string refusal(const std::string& type, const std::string& body,
                    Error::Kind kind = Error::Kind::invalid_input) {
  try {
    const Form form{type, body};
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, kind) << error.message;
    return error.message;
  }
  return "accepted";
}

TEST(Form, KeepsFieldsAndFilesInOrder) {
  const std::string body = "preamble\r\n" + part("name=\"a\"", "1") +
                           part("name=\"f\"; filename=\"x y.png\"", "\r\n--X\r\n") +
                           part("name=\"a\"", "2") + "--XX--\r\nepilogue";
  const Form form{"Multipart/Form-Data; charset=utf-8; boundary=\"XX\"", body};
  ASSERT_EQ(form.parts().size(), 3U);
  EXPECT_EQ(form.text_or("a", "?"), "1");
  EXPECT_EQ(form.find("f")->filename, "x y.png");
  EXPECT_EQ(form.find("f")->content, "\r\n--X\r\n");
  EXPECT_EQ(form.text_or("f", "?"), "?");
  EXPECT_EQ(form.text_or("nope", "?"), "?");
}

TEST(Form, ReadsNamesAsBrowsersWriteThem) {
  const auto filename = [](const std::string& head) {
    const std::string body = part("name=\"f\"; " + head, "") + "--XX--";
    return Form{kType, body}.find("f")->filename.value_or("none");
  };
  EXPECT_EQ(filename("filename=\"ü 日.png\""), "ü 日.png");
  EXPECT_EQ(filename("filename=plain.png"), "plain.png");
  EXPECT_EQ(filename("filename=\"a\\\"b\\\\c.png\""), "a\"b\\c.png");
  EXPECT_EQ(filename("filename=\"C:\\dir\\a.png\""), "C:\\dir\\a.png");
  EXPECT_EQ(filename("filename=\"a;b=c.png\""), "a;b=c.png");
  EXPECT_EQ(filename("filename=\"fallback\"; filename*=UTF-8''%C3%BC.png"), "ü.png");
  EXPECT_EQ(filename("filename*=utf-8'de'%C3%BC.png; filename=\"fallback\""), "ü.png");
  EXPECT_EQ(filename("filename=\"\""), "");
  EXPECT_EQ(filename("x=y"), "none");
}

TEST(Form, TakesEmptyPartsAndEmptyForms) {
  EXPECT_TRUE(Form(kType, "--XX--").parts().empty());
  EXPECT_EQ(Form(kType, "--XX\r\n\r\n\r\n--XX--").parts().at(0).content, "");
  EXPECT_EQ(Form(kType, "--XX\r\n\r\n--XX--").parts().at(0).content, "");
  const Form bodiless{kType, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--XX--"};
  EXPECT_EQ(bodiless.text_or("a", "?"), "");
  EXPECT_EQ(Form(kType, "--XX  \t\r\n\r\nx\r\n--XX--").parts().at(0).content, "x");
}

TEST(Form, RefusesWhatIsNoForm) {
  EXPECT_EQ(refusal("application/json", "{}"),
            "Content-Type must be multipart/form-data, got 'application/json'");
  EXPECT_EQ(refusal("", ""), "Content-Type must be multipart/form-data, got ''");
  EXPECT_EQ(refusal("multipart/form-data", ""), "the form must name its boundary in Content-Type");
  EXPECT_EQ(refusal("multipart/form-data; boundary=\"\"", ""),
            "the form must name its boundary in Content-Type");
  EXPECT_EQ(refusal(kType, ""), "the form does not hold its boundary");
  EXPECT_EQ(refusal(kType, "--XX\r\n\r\nabc"), "the form ends within a part");
  EXPECT_EQ(refusal(kType, "--XXY\r\n\r\nabc\r\n--XX--"),
            "the form has a boundary that is followed by something else");
  EXPECT_EQ(refusal(kType, "--XX\r\nbroken\r\n\r\nabc\r\n--XX--"),
            "the form has a header without a colon");
  EXPECT_EQ(refusal(kType, "--XX\r\nA: b\r\n--XX--"),
            "the form has a part whose headers do not end");
  EXPECT_EQ(refusal(kType, "--XX\r\nContent-Disposition: attachment\r\n\r\n\r\n--XX--"),
            "the form must have form-data in every part");
}

TEST(Form, HoldsItsLimits) {
  std::string many;
  for (int i = 0; i < 65; ++i) many += part("name=\"a\"", "");
  EXPECT_EQ(refusal(kType, many + "--XX--", Error::Kind::too_large),
            "form must have at most 64 parts");
  EXPECT_EQ(refusal(kType, "--XX\r\nA: " + std::string(9000, 'x') + "\r\n\r\n\r\n--XX--",
                    Error::Kind::too_large),
            "headers of a part must have at most 8192 bytes");
  EXPECT_EQ(
      refusal("multipart/form-data; boundary=" + std::string(71, 'b'), "", Error::Kind::too_large),
      "boundary of a form must have at most 70 bytes, got 71");
}

TEST(Form, TakesTimeInProportionToItsSize) {
  const auto seconds = [](const std::string& filler, std::size_t size) {
    std::string body = "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    while (body.size() < size) body += filler;
    body += "\r\n--XX--";
    const auto start = std::chrono::steady_clock::now();
    const Form form{kType, body};
    EXPECT_EQ(form.parts().size(), 1U);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  for (const char* filler : {"\r\n--X", "\r\n--", "\r", "\n", "-XX--X", "\r\n\r\n"})
    EXPECT_LT(seconds(filler, 32 << 20), 2.0) << filler;
}

TEST(Form, SurvivesDamage) {
  std::mt19937 dice{5};
  const std::string whole = part("name=\"image\"; filename=\"a.png\"", "PNG\r\n--X") +
                            part("name=\"type\"", "input") + "--XX--\r\n";
  std::size_t accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string body = whole;
    std::string type = kType;
    for (std::size_t i = 0; i <= dice() % 4; ++i) {
      const std::size_t at = dice() % body.size();
      switch (dice() % 4) {
        case 0:
          body[at] = static_cast<char>(dice());
          break;
        case 1:
          body.erase(at, dice() % 9);
          break;
        case 2:
          body.insert(at, whole.substr(dice() % whole.size(), dice() % 40));
          break;
        default:
          type[dice() % type.size()] = static_cast<char>(dice());
          break;
      }
      if (body.empty()) break;
    }
    try {
      const Form form{type, body};
      ++accepted;
      for (const FormPart& one : form.parts()) {
        if (one.content.empty()) continue;
        EXPECT_GE(one.content.data(), body.data());
        EXPECT_LE(one.content.data() + one.content.size(), body.data() + body.size());
      }
    } catch (const Error& error) {
      EXPECT_NE(error.kind, Error::Kind::internal);
    }
  }
  EXPECT_GT(accepted, 1000U);
}

TEST(InertType, LetsOnlyHarmlessKindsOpen) {
  for (const char* name :
       {"a.png", "a.JPG", "a.jpeg", "a.webp", "a.gif", "a.mp4", "a.json", "a.txt"})
    EXPECT_TRUE(inert_type(name).opens) << name;
  for (const char* name :
       {"a.html", "a.htm",  "a.xhtml",    "a.shtml",  "a.svg", "a.svgz", "a.xml",
        "a.xsl",  "a.js",   "a.mjs",      "a.css",    "a.pdf", "a.swf",  "a.mht",
        "a.hta",  "a.wasm", "a.png.html", "a.HTML",   "a",     "png",    ".htaccess",
        "a.",     "a.png.", "a.png ",     "a.png\x01"})
    EXPECT_FALSE(inert_type(name).opens) << name;
  EXPECT_EQ(inert_type("a.svg").content_type, "image/svg+xml");
  EXPECT_EQ(inert_type("a.html").content_type, "application/octet-stream");
  EXPECT_EQ(inert_type("a.js").content_type, "application/octet-stream");
}

TEST(Base64, DecodesAndRefuses) {
  EXPECT_EQ(decode_base64("aGVsbG8="), "hello");
  EXPECT_EQ(decode_base64("aGVs\nbG8"), "hello");
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_FALSE(decode_base64("a-b"));
}

}  // namespace
}  // namespace comfy::server
