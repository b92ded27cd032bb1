// SPDX-License-Identifier: GPL-3.0-or-later
// Channels, connections and links against a real RabbitMQ.
#include "broker_node.h"
#include "foundation/base/error.h"
#include "foundation/link/bodies.h"
#include "foundation/link/rabbitmq/amqp_connection.h"
#include "foundation/link/rabbitmq/rabbit_server_link.h"
#include "foundation/link/rabbitmq/rabbit_worker_link.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;
using Lane = AmqpChannel::Lane;

broker_tests::BrokerNode& node() {
  static broker_tests::BrokerNode instance;
  return instance;
}

BrokerAddress address() { return parse_broker_address(node().uri()); }

/// Things that happened, in order, for one thread to wait for.
template <class T>
class Happenings {
 public:
  void add(T what) {
    {
      const std::lock_guard lock{mutex_};
      all_.push_back(std::move(what));
    }
    more_.notify_all();
  }
  /// Waits until there are so many; what there is after 30 s at the latest.
  std::vector<T> wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    more_.wait_for(lock, 30s, [&] { return all_.size() >= count; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<T> all_;
};

bool wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

std::optional<AmqpEvent> next_of(AmqpChannel& channel) {
  std::optional<AmqpEvent> event;
  wait_until([&] { return (event = channel.next()).has_value(); });
  return event;
}

Error::Kind refusal(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.kind;
  }
  ADD_FAILURE() << "it was accepted";
  return Error::Kind::internal;
}

TEST(AmqpChannel, CarriesAMessageWithItsProperties) {
  AmqpChannel channel{address(), "test"};
  EXPECT_EQ(channel.declare_queue("carries", {}, {}), 0U);
  channel.consume(Lane::main, "carries", "me", AmqpChannel::Acknowledge::by_hand);
  EXPECT_EQ(channel.declare_queue("carries", {}, {}), 1U) << "one consumer";
  channel.publish({.routing_key = "carries",
                   .body = std::string("a\0b", 3),
                   .content_type = "text/plain",
                   .content_encoding = "none",
                   .type = "event",
                   .message_id = "id",
                   .correlation_id = "5",
                   .reply_to = "here",
                   .store = "s1"});
  const std::optional<AmqpEvent> event = next_of(channel);
  ASSERT_TRUE(event && std::holds_alternative<AmqpDelivery>(*event));
  const auto& delivery = std::get<AmqpDelivery>(*event);
  EXPECT_EQ(delivery.consumer, "me");
  EXPECT_FALSE(delivery.redelivered);
  EXPECT_EQ(delivery.message.body, std::string("a\0b", 3));
  EXPECT_EQ(delivery.message.content_type, "text/plain");
  EXPECT_EQ(delivery.message.content_encoding, "none");
  EXPECT_EQ(delivery.message.type, "event");
  EXPECT_EQ(delivery.message.message_id, "id");
  EXPECT_EQ(delivery.message.correlation_id, "5");
  EXPECT_EQ(delivery.message.reply_to, "here");
  EXPECT_EQ(delivery.message.store, "s1");
  channel.acknowledge(Lane::main, delivery.tag);
  EXPECT_FALSE(channel.fetch(Lane::jobs, "carries"));
}

TEST(AmqpChannel, SaysWhatIsMissingForbiddenOrOtherwise) {
  EXPECT_EQ(refusal([] { AmqpChannel{address(), "test"}.expect_queue("nowhere"); }),
            Error::Kind::not_found);
  EXPECT_EQ(refusal([] { AmqpChannel{address(), "test"}.expect_exchange("nowhere"); }),
            Error::Kind::not_found);
  EXPECT_EQ(refusal([] {
              AmqpChannel channel{address(), "test"};
              channel.declare_queue("other", {.durable = true}, {});
              channel.declare_queue("other", {.durable = true}, {{"x-max-length", 5}});
            }),
            Error::Kind::conflict);
  EXPECT_EQ(
      refusal([] { AmqpChannel{parse_broker_address(node().uri("guest", "wrong")), "test"}; }),
      Error::Kind::forbidden);
}

/// A queue of that many messages at the most.
void make_queue(const std::string& name, std::int64_t length) {
  AmqpChannel{address(), "test"}.declare_queue(
      name, {.durable = true},
      {{"x-max-length", length}, {"x-overflow", std::string{"reject-publish"}}});
}

TEST(AmqpConnection, TellsWhatBecameOfAPublish) {
  make_queue("full", 1);
  AmqpConnection connection{BrokerAddresses{address()}, "test", AmqpConnection::Confirms::on, {}};
  connection.start();
  ASSERT_TRUE(wait_until([&] { return connection.is_up(); }));
  Happenings<Published> results;
  const auto publish = [&](const std::string& queue) {
    const std::size_t before = results.wait_for(0).size();
    connection.publish({.message = {.routing_key = queue, .mandatory = true},
                        .done = [&](Published result) { results.add(result); }});
    return results.wait_for(before + 1).back();
  };
  EXPECT_EQ(publish("nowhere"), Published::returned);
  EXPECT_EQ(publish("full"), Published::confirmed);
  Published last = Published::confirmed;
  // RabbitMQ takes one or two more than the limit.
  for (int i = 0; i < 5 && last == Published::confirmed; ++i) last = publish("full");
  EXPECT_EQ(last, Published::refused);
  EXPECT_TRUE(connection.flush(5s));
  const BrokerState state = connection.state();
  EXPECT_EQ(state.returned, 1U);
  EXPECT_EQ(state.refused, 1U);
  EXPECT_TRUE(state.connected);
}

TEST(AmqpConnection, GoesOnWhenAMessageCannotBeSent) {
  AmqpConnection connection{BrokerAddresses{address()}, "test", AmqpConnection::Confirms::on, {}};
  connection.start();
  ASSERT_TRUE(wait_until([&] { return connection.is_up(); }));
  Happenings<Published> results;
  const auto publish = [&](std::string key) {
    connection.publish({.message = {.routing_key = std::move(key), .mandatory = true},
                        .keep = true,
                        .done = [&](Published result) { results.add(result); }});
  };
  publish(std::string(300, 'x'));
  EXPECT_EQ(results.wait_for(1).back(), Published::unknown);
  publish("nowhere");
  EXPECT_EQ(results.wait_for(2).back(), Published::returned);
  EXPECT_EQ(connection.state().connects, 1U) << "the connection is the same";
}

TEST(AmqpConnection, KeepsWhatIsToBeKeptOverAnOutage) {
  make_queue("outage", 1000);
  AmqpConnection connection{BrokerAddresses{address()}, "test", AmqpConnection::Confirms::on, {}};
  connection.start();
  ASSERT_TRUE(wait_until([&] { return connection.is_up(); }));
  const std::uint64_t epoch = connection.epoch();
  node().kill();
  ASSERT_TRUE(wait_until([&] { return !connection.is_up(); }));
  EXPECT_NE(connection.state().trouble, "");

  Happenings<Published> kept;
  Happenings<Published> dropped;
  connection.publish({.message = {.routing_key = "outage", .persistent = true, .mandatory = true},
                      .keep = true,
                      .done = [&](Published result) { kept.add(result); }});
  connection.publish({.message = {.routing_key = "outage", .mandatory = true},
                      .done = [&](Published result) { dropped.add(result); }});
  std::atomic<bool> ran{false};
  node().start();
  ASSERT_TRUE(wait_until([&] { return connection.is_up(); }));
  EXPECT_EQ(kept.wait_for(1), std::vector{Published::confirmed});
  EXPECT_EQ(dropped.wait_for(1), std::vector{Published::unknown});
  connection.post([&](AmqpChannel&) { ran = true; }, epoch);
  Happenings<int> now;
  connection.post([&](AmqpChannel&) { now.add(1); }, connection.epoch());
  EXPECT_EQ(now.wait_for(1).size(), 1U);
  EXPECT_FALSE(ran) << "a task of an earlier connection means nothing in this one";
  EXPECT_GE(connection.state().connects, 2U);
}

/// What a server hears.
class Server final : public WorkerListener {
 public:
  void on_message(const WorkerKey& worker, Message message) override {
    heard.add({worker, std::move(message)});
  }
  void on_worker_lost(const WorkerKey& worker, const WorkerExit&) override { lost.add(worker); }
  void on_worker_there(const WorkerKey& worker) override { there.add(worker); }
  void on_offer_lost(const std::string& prompt_id) override { offers_lost.add(prompt_id); }

  /// The first message of that type, with its sender.
  std::pair<WorkerKey, Message> first(Type type) {
    std::pair<WorkerKey, Message> found;
    EXPECT_TRUE(wait_until([&] {
      for (const auto& entry : heard.wait_for(0))
        if (entry.second.type == type) found = entry;
      return found.second.type == type;
    })) << type_name(type);
    return found;
  }

  Happenings<std::pair<WorkerKey, Message>> heard;
  Happenings<WorkerKey> lost;
  Happenings<WorkerKey> there;
  Happenings<std::string> offers_lost;
};

/// What a worker hears.
class Worker final : public ServerListener {
 public:
  void on_message(Message message) override { heard.add(std::move(message)); }
  void on_server_lost() override {}
  void on_server_found() override { found.add(1); }
  void on_kept(const Message& finish) override { kept.add(finish.prompt_id); }

  Happenings<Message> heard;
  Happenings<int> found;
  Happenings<std::string> kept;
};

Message about_prompt(Type type) {
  Message message;
  message.type = type;
  message.prompt_id = "p";
  message.store = "s1";
  return message;
}

TEST(RabbitLinks, CarryAJobFromOfferToFinishAndNoticeThatTheWorkerIsGone) {
  Server server;
  Worker worker;
  const auto workers = make_rabbit_worker_link(
      {.broker = {.uri = node().uri(), .queue = "links", .id = "frontend"}, .store = "s1"});
  auto servers = make_rabbit_server_link({.uri = node().uri(), .queue = "links", .id = "worker"});
  workers->start(server);
  ASSERT_TRUE(wait_until([&] { return workers->is_open() && workers->hears(); }));
  servers->start(worker);
  worker.found.wait_for(1);
  servers->send(to_message(Hello{.worker_id = "w"}));
  const WorkerKey key = server.first(Type::hello).first;
  EXPECT_TRUE(key.starts_with("worker."));

  Message job;
  job.type = Type::job;
  job.prompt_id = "p";
  workers->offer(job, Urgency::normal);
  servers->want_job(true);
  ASSERT_GE(worker.heard.wait_for(1).size(), 1U);
  EXPECT_EQ(worker.heard.wait_for(1).back().type, Type::job);
  EXPECT_EQ(worker.heard.wait_for(1).back().store, "s1");
  servers->send(about_prompt(Type::claim));
  EXPECT_EQ(server.first(Type::claim).first, key);
  Message go;
  go.type = Type::go;
  go.prompt_id = "p";
  workers->send(key, go);
  EXPECT_EQ(worker.heard.wait_for(2).back().type, Type::go);
  servers->send(about_prompt(Type::finish));
  EXPECT_EQ(worker.kept.wait_for(1), std::vector<std::string>{"p"});
  EXPECT_TRUE(server.first(Type::finish).second.held) << "the broker has it until it is stored";
  servers->settle("p");

  workers->probe(key);
  EXPECT_EQ(server.there.wait_for(1), std::vector{key});
  servers.reset();
  workers->probe(key);
  EXPECT_EQ(server.lost.wait_for(1).front(), key);
  workers->stop(0ms);
}

TEST(RabbitLinks, PassOverWhatIsNoMessageAndCountIt) {
  Server server;
  const auto workers = make_rabbit_worker_link(
      {.broker = {.uri = node().uri(), .queue = "garbage", .id = "frontend"}, .store = "s1"});
  workers->start(server);
  ASSERT_TRUE(wait_until([&] { return workers->is_open(); }));
  AmqpChannel stranger{address(), "stranger"};
  for (const char* body : {"", "{", "pickle", R"({"v":1,"type":"claim"})"})
    stranger.publish({.routing_key = "comfy.results.garbage.s1", .body = body});
  EXPECT_TRUE(wait_until([&] { return workers->state().garbage == 4; }));
  EXPECT_TRUE(server.heard.wait_for(0).empty());
  workers->stop(0ms);
}

TEST(RabbitLinks, WorkersWaitForAFrontendToMakeTheQueues) {
  Worker worker;
  const auto servers =
      make_rabbit_server_link({.uri = node().uri(), .queue = "alone", .id = "worker"});
  servers->start(worker);
  ASSERT_TRUE(wait_until([&] {
    return servers->state().trouble.find("alone") != std::string::npos;
  })) << servers->state().trouble;
  Server server;
  const auto workers = make_rabbit_worker_link(
      {.broker = {.uri = node().uri(), .queue = "alone", .id = "frontend"}, .store = "s1"});
  workers->start(server);
  EXPECT_EQ(worker.found.wait_for(1).size(), 1U);
  workers->stop(0ms);
}

TEST(RabbitLinks, AnObjectWithOtherSettingsIsAConflict) {
  {
    AmqpChannel stranger{address(), "stranger"};
    stranger.declare_queue("comfy.dead.taken", {.durable = true}, {});
  }
  Server server;
  Happenings<std::string> conflicts;
  const auto workers = make_rabbit_worker_link(
      {.broker = {.uri = node().uri(), .queue = "taken", .id = "frontend"},
       .store = "s1",
       .on_conflict = [&](const std::string& message) { conflicts.add(message); }});
  workers->start(server);
  const std::vector<std::string> messages = conflicts.wait_for(1);
  ASSERT_FALSE(messages.empty());
  EXPECT_NE(messages.front().find("comfy.dead.taken"), std::string::npos) << messages.front();
  workers->stop(0ms);
}

}  // namespace
}  // namespace comfy::link
