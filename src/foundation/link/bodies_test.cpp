// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/bodies.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

namespace comfy::link {
namespace {

const AttemptId kId{"prompt", 2, "token"};

Message over_the_wire(const Message& message) { return message_from_text(to_text(message)); }

TEST(Bodies, HelloComesBack) {
  const Hello hello{.worker_id = "w",
                    .build_id = "b",
                    .devices = Json::Array{Json::Object{{"name", "cpu"}}},
                    .labels = Json::Object{{"zone", "a"}},
                    .catalogue_hash = "c",
                    .models_hash = "m",
                    .running = {kId}};
  const Hello read = read_hello(over_the_wire(to_message(hello)));
  EXPECT_EQ(read.worker_id, "w");
  EXPECT_EQ(read.devices, hello.devices);
  EXPECT_EQ(read.catalogue_hash, "c");
  EXPECT_EQ(read.running, hello.running);
}

TEST(Bodies, GoCarriesEverythingAWorkerNeeds) {
  const Go go{.id = kId,
              .prompt = Json::Object{{"1", Json::Object{{"seed", 18446744073709551615ULL}}}},
              .outputs = {"1"},
              .extra_data = Json::Object{{"client_id", "c"}},
              .secrets = Json::Object{{"key", "s"}},
              .client_id = "c",
              .owner = "me",
              .cancelled = true};
  const Go read = read_go(over_the_wire(to_message(go)));
  EXPECT_EQ(read.id, kId);
  EXPECT_EQ(to_json(read.prompt), to_json(go.prompt));
  EXPECT_EQ(read.outputs, go.outputs);
  EXPECT_EQ(read.secrets, go.secrets);
  EXPECT_TRUE(read.cancelled);
}

TEST(Bodies, FinishComesBackAndIsChecked) {
  const Finish finish{.id = kId, .end = End::cancelled, .started = std::chrono::milliseconds{5}};
  Message message = over_the_wire(to_message(finish));
  EXPECT_EQ(read_finish(message).end, End::cancelled);
  EXPECT_EQ(read_finish(message).started.count(), 5);
  message.body["end"] = "fine";
  EXPECT_THROW(read_finish(message), Error);
  message.body["end"] = "failed";
  message.body["outputs"] = Json::Array{};
  EXPECT_THROW(read_finish(message), Error);
}

TEST(Bodies, RenewalsAndEventsComeBack) {
  const Renew renew =
      read_renew(over_the_wire(to_message(Renew{.id = kId, .counter = 3, .progress = 9})));
  EXPECT_EQ(renew.counter, 3u);
  EXPECT_EQ(renew.progress, 9u);
  const Renewed renewed = read_renewed(
      over_the_wire(to_message(Renewed{.id = kId, .counter = 3, .cancel = true, .lost = true})));
  EXPECT_TRUE(renewed.cancel && renewed.lost);
  const Event event = read_event(
      over_the_wire(to_message(Event{.id = kId, .seq = 4, .name = "executing", .data = Json{}})));
  EXPECT_EQ(event.name, "executing");
  EXPECT_TRUE(event.data.is_null());
}

TEST(Bodies, OnlyAPassingPreviewIsReplaceable) {
  EXPECT_TRUE(is_replaceable(to_message(Preview{.id = kId})));
  EXPECT_FALSE(is_replaceable(to_message(Preview{.id = kId, .keep = true})));
  EXPECT_FALSE(is_replaceable(to_message(Event{.id = kId})));
  EXPECT_THROW(read_preview(to_message(Preview{.id = kId, .kind = 9})), Error);
}

TEST(Bodies, NameTheFieldThatIsMissing) {
  try {
    read_go(about(Type::go, kId));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message.find("prompt"), std::string::npos) << error.message;
  }
}

}  // namespace
}  // namespace comfy::link
