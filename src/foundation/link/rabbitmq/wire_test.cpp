// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/wire.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

#include <random>

namespace comfy::link {
namespace {

Message sample(Type type = Type::finish) {
  Message message;
  message.type = type;
  message.seq = 7;
  message.prompt_id = "p";
  message.attempt = 2;
  message.token = "t";
  message.store = "s1";
  message.body = Json::Object{{"kind", 1}};
  return message;
}

void expect_same(const Message& got, const Message& wanted) {
  EXPECT_EQ(got.type, wanted.type);
  EXPECT_EQ(got.seq, wanted.seq);
  EXPECT_EQ(got.prompt_id, wanted.prompt_id);
  EXPECT_EQ(got.attempt, wanted.attempt);
  EXPECT_EQ(got.token, wanted.token);
  EXPECT_EQ(got.body, wanted.body);
  EXPECT_EQ(got.binary, wanted.binary);
}

/// The kind of Error that a body of that type meets.
Error::Kind refusal(AmqpMessage wire) {
  try {
    from_wire(wire);
  } catch (const Error& error) {
    return error.kind;
  }
  ADD_FAILURE() << "it was taken";
  return Error::Kind::internal;
}

AmqpMessage raw(std::string body, std::string content_type = "application/json",
                std::string encoding = {}) {
  return {.body = std::move(body),
          .content_type = std::move(content_type),
          .content_encoding = std::move(encoding),
          .type = "finish"};
}

TEST(Wire, CarriesAMessage) {
  const AmqpMessage wire = to_wire(sample());
  EXPECT_EQ(wire.content_type, "application/json");
  EXPECT_EQ(wire.content_encoding, "");
  EXPECT_EQ(wire.type, "finish");
  EXPECT_EQ(wire.message_id, "p");
  EXPECT_EQ(wire.store, "s1");
  expect_same(from_wire(wire), sample());
}

TEST(Wire, CarriesBytesBehindTheJson) {
  Message message = sample(Type::preview);
  message.binary = std::string("\0\xFFpng", 5);
  const AmqpMessage wire = to_wire(message);
  EXPECT_EQ(wire.content_type, "application/x-comfy");
  expect_same(from_wire(wire), message);
}

TEST(Wire, PacksWhatIsLong) {
  Message message = sample();
  message.body["text"] = std::string(1'000'000, 'x');
  const AmqpMessage wire = to_wire(message);
  EXPECT_EQ(wire.content_encoding, "deflate");
  EXPECT_LT(wire.body.size(), 10'000U);
  expect_same(from_wire(wire), message);
}

TEST(Wire, RefusesToSendWhatIsAboveTheCapOfItsType) {
  Message message = sample(Type::renew);
  std::string noise(200'000, ' ');
  std::minstd_rand random;
  for (char& c : noise) c = static_cast<char>('a' + random() % 26);
  message.body["text"] = noise;
  EXPECT_THROW(to_wire(message), Error);
}

TEST(Wire, RefusesToReadWhatIsAboveTheCapOfItsType) {
  AmqpMessage wire = raw(std::string(size_cap(Type::claim) + 1, ' '));
  wire.type = "claim";
  EXPECT_EQ(refusal(wire), Error::Kind::too_large);
}

TEST(Wire, RefusesABombBeforeItIsUnpacked) {
  const std::string bomb = deflate(std::string(300U << 20, ' '));
  ASSERT_LT(bomb.size(), size_cap(Type::finish));
  EXPECT_EQ(refusal(raw(bomb, "application/json", "deflate")), Error::Kind::too_large);
}

TEST(Wire, RefusesWhatIsNoMessage) {
  for (const AmqpMessage& wire :
       {raw(""), raw("{"), raw("null"), raw("[1]"), raw("\x80\x04\x95pickle"),
        raw("not deflated", "application/json", "deflate"), raw("", "application/x-comfy"),
        raw(std::string("\xFF\xFF\xFF\xFF{}", 6), "application/x-comfy"),
        raw(std::string("\0\0\0\x05{}", 6), "application/x-comfy")})
    EXPECT_THROW(from_wire(wire), Error) << wire.body;
}

TEST(Wire, RefusesAMessageCutOffAnywhere) {
  Message message = sample(Type::preview);
  message.binary = "picture";
  const AmqpMessage wire = to_wire(message);
  const std::size_t json = wire.body.size() - message.binary.size();
  for (std::size_t size = 0; size < json; ++size) {
    AmqpMessage part = wire;
    part.body.resize(size);
    EXPECT_THROW(from_wire(part), Error) << size;
  }
}

}  // namespace
}  // namespace comfy::link
