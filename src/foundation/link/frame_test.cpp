// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/frame.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

#include <random>

namespace comfy::link {
namespace {

Message sample() {
  Message message;
  message.type = Type::preview;
  message.seq = 7;
  message.prompt_id = "p";
  message.attempt = 2;
  message.token = "t";
  message.body = Json::Object{{"kind", 1}};
  message.binary = std::string("\0\xFFpng", 5);
  return message;
}

std::string raw(std::string_view json) {
  std::string frame{'\0', '\0', '\0', static_cast<char>(json.size() + 1), '\0'};
  return frame + std::string{json};
}

Error::Kind refusal(const std::string& bytes) {
  FrameReader reader;
  reader.feed(bytes);
  try {
    reader.next();
  } catch (const Error& error) {
    return error.kind;
  }
  ADD_FAILURE() << "nothing was refused";
  return Error::Kind::internal;
}

TEST(Frame, ComesBackAsItWasSentWhateverThePieces) {
  const std::string bytes = encode_frame(sample()) + encode_frame(sample());
  FrameReader reader;
  int found = 0;
  for (const char byte : bytes) {
    reader.feed({&byte, 1});
    while (const auto message = reader.next()) {
      ++found;
      EXPECT_EQ(message->type, Type::preview);
      EXPECT_EQ(message->seq, 7u);
      EXPECT_EQ(message->prompt_id, "p");
      EXPECT_EQ(message->attempt, 2);
      EXPECT_EQ(message->token, "t");
      EXPECT_EQ(message->body, sample().body);
      EXPECT_EQ(message->binary, sample().binary);
    }
  }
  EXPECT_EQ(found, 2);
  EXPECT_EQ(reader.waiting(), 0u);
}

TEST(Frame, HasTheLayoutOfTheDesign) {
  Message ping;
  ping.type = Type::ping;
  ping.seq = 1;
  const std::string text = R"({"v":1,"type":"ping","seq":1,"body":{}})";
  EXPECT_EQ(encode_frame(ping), raw(text));
}

TEST(Frame, PassesOverTypesThatANewerPeerMaySend) {
  FrameReader reader;
  reader.feed(raw(R"({"v":1,"type":"hum","seq":1,"body":{}})"));
  reader.feed(raw(R"({"v":1,"type":"ping","seq":2,"later":true,"body":{}})"));
  const auto message = reader.next();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->type, Type::ping);
  EXPECT_EQ(reader.ignored(), 1u);
}

TEST(Frame, OfAnotherVersionIsRefusedWithASentence) {
  FrameReader reader;
  reader.feed(raw(R"({"v":2,"type":"ping","seq":1,"body":{}})"));
  try {
    reader.next();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::unsupported);
    EXPECT_EQ(error.message, "the link speaks version 1, got a message of version 2");
  }
}

TEST(Frame, IsRefusedWhenItsNumbersLie) {
  EXPECT_EQ(refusal(std::string("\x7F\xFF\xFF\xFF", 4)), Error::Kind::too_large);
  EXPECT_EQ(refusal(std::string("\0\0\0\0", 4)), Error::Kind::too_large);
  EXPECT_EQ(refusal(std::string("\0\0\0\x02\x05{", 6)), Error::Kind::invalid_input);
  EXPECT_EQ(refusal(std::string("\0\0\0\x02\x01{", 6)), Error::Kind::invalid_input);
  EXPECT_EQ(refusal(std::string("\0\0\0\x06\x01\0\0\0\x09{", 10)), Error::Kind::invalid_input);
  EXPECT_EQ(refusal(raw("{")), Error::Kind::invalid_input);
  EXPECT_EQ(refusal(raw("[]")), Error::Kind::invalid_input);
  EXPECT_EQ(refusal(raw(R"({"v":1,"type":"ping","seq":1,"body":[]})")), Error::Kind::invalid_input);
}

TEST(Frame, KeepsToTheCapOfItsType) {
  Message claim;
  claim.type = Type::claim;
  claim.prompt_id = std::string(70'000, 'x');
  EXPECT_THROW(encode_frame(claim), Error);
  claim.type = Type::go;
  EXPECT_NO_THROW(encode_frame(claim));
}

TEST(Frame, SurvivesRandomBytes) {
  std::mt19937 random{1};
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = encode_frame(sample());
    for (int change = 0; change < 4; ++change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    FrameReader reader;
    reader.feed(bytes);
    try {
      while (reader.next()) {
      }
    } catch (const Error&) {
    }
  }
}

TEST(Types, EachHasANameThatLeadsBack) {
  for (int number = 0; number < static_cast<int>(Type::unknown); ++number) {
    const Type type = static_cast<Type>(number);
    EXPECT_NE(type_name(type), "unknown") << number;
    EXPECT_EQ(type_of(type_name(type)), type);
  }
  EXPECT_EQ(type_of("no such type"), Type::unknown);
}

TEST(Deflate, ComesBackAndKeepsToItsLimit) {
  const std::string plain(100'000, 'a');
  const std::string packed = deflate(plain);
  EXPECT_LT(packed.size(), 1000u);
  EXPECT_EQ(inflate(packed, plain.size()), plain);
  EXPECT_THROW(inflate(packed, plain.size() / 2), Error);
  EXPECT_THROW(inflate(packed.substr(0, packed.size() / 2), plain.size()), Error);
  EXPECT_THROW(inflate("not packed at all", 100), Error);
}

}  // namespace
}  // namespace comfy::link
