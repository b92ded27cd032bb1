// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/rabbit_server_link.h"

#include "foundation/base/error.h"
#include "foundation/link/bodies.h"
#include "foundation/link/log.h"
#include "foundation/link/rabbitmq/amqp_connection.h"
#include "foundation/link/rabbitmq/complaints.h"
#include "foundation/link/rabbitmq/topology.h"
#include "foundation/link/rabbitmq/wire.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <mutex>
#include <utility>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr const char* kOwnConsumer = "own";
constexpr const char* kJobConsumer = "job-";
// A queue that was deleted and made anew in the same moment has no consumers, and RabbitMQ 3.10
// tells nobody.
constexpr auto kSubscribeAnew = 20s;

/// Two connections: the broker may stop one that publishes, and what is sent to this worker must
/// arrive even then.
class RabbitServer final : public RabbitServerLink {
 public:
  explicit RabbitServer(const RabbitOptions& options)
      : topology_{options.queue},
        id_{options.id},
        complaints_{options.id, shown(parse_broker_addresses(options.uri)), system_clock()},
        out_{parse_broker_addresses(options.uri),
             options.id + " (sends)",
             AmqpConnection::Confirms::on,
             {.on_up = [this] { say_found(); },
              .on_trouble = [this](const Error& error) { complaints_.trouble(error.message); }}},
        in_{parse_broker_addresses(options.uri),
            options.id + " (receives)",
            AmqpConnection::Confirms::off,
            {.set_up = [this](AmqpChannel& channel) { set_up(channel); },
             .on_up = [this] { say_found(); },
             .on_down = [this] { on_down(); },
             .on_delivery = [this](AmqpDelivery delivery) { receive(std::move(delivery)); },
             .on_lane_lost = [this](AmqpChannel& channel,
                                    const std::string& reason) { lane_lost(channel, reason); },
             .on_tick = [this](AmqpChannel& channel) { tick(channel); },
             .on_trouble = [this](const Error& error) { complaints_.trouble(error.message); }}} {}

  ~RabbitServer() override {
    out_.stop(std::chrono::milliseconds{0});
    in_.stop(std::chrono::milliseconds{0});
  }

  void start(ServerListener& listener) override {
    listener_ = &listener;
    out_.start();
    in_.start();
  }
  void send(Message message) override;
  bool flush(std::chrono::milliseconds patience) override { return out_.flush(patience); }

  bool is_shared() const override { return true; }
  void want_job(bool wanted) override;
  void settle(const std::string& prompt_id) override;
  BrokerState state() const override;

 private:
  struct Token {
    std::uint64_t tag = 0;
    std::uint64_t epoch = 0;  // of the connection
    std::uint64_t lane = 0;   // of the jobs' channel
  };

  void set_up(AmqpChannel& channel);
  void on_down();
  void lane_lost(AmqpChannel& channel, const std::string& reason);
  void say_found();
  void receive(AmqpDelivery delivery);
  void take_token(const AmqpDelivery& delivery);
  void acknowledge(AmqpChannel& channel, const Token& token) const;
  void look_for_job(AmqpChannel& channel);
  void tick(AmqpChannel& channel);
  void subscribe(AmqpChannel& channel);
  void unsubscribe(AmqpChannel& channel);
  void sign(Message& hello) const;
  void route(const Message& message, AmqpMessage& wire) const;
  std::string key() const;

  const Topology topology_;
  const std::string id_;
  ServerListener* listener_ = nullptr;
  std::mutex hearing_;  // the listener hears one thing at a time

  mutable std::mutex mutex_;
  std::uint64_t connection_ = 0;  // counts the queues this worker has had
  bool wanted_ = false;
  std::uint64_t seq_ = 0;
  std::uint64_t garbage_ = 0;
  std::map<std::string, Token> tokens_;  // by prompt
  std::uint64_t lane_ = 0;               // counts the jobs' channels

  Steady::time_point connected_{};  // since when it has the queue that it has now

  // The receiving thread's alone.
  bool subscribed_ = false;
  Steady::time_point subscribed_at_{};

  Complaints complaints_;
  AmqpConnection out_;
  AmqpConnection in_;
};

std::string RabbitServer::key() const {
  const std::lock_guard lock{mutex_};
  return fmt::format("{}.{}", id_, connection_);
}

void RabbitServer::set_up(AmqpChannel& channel) {
  {
    const std::lock_guard lock{mutex_};
    // A new name: the broker may hold the old queue for a while, for a connection it believes in.
    ++connection_;
    connected_ = Steady::now();
  }
  subscribed_ = false;
  topology_.declare_worker(channel, key());
  channel.limit_unacknowledged(AmqpChannel::Lane::jobs, 1);
  channel.consume(AmqpChannel::Lane::main, topology_.worker(key()), kOwnConsumer,
                  AmqpChannel::Acknowledge::never);
}

void RabbitServer::on_down() {
  subscribed_ = false;
  const std::lock_guard lock{mutex_};
  tokens_.clear();
}

void RabbitServer::lane_lost(AmqpChannel& channel, const std::string& reason) {
  log.warn("the broker gave away what this worker held, which goes on all the same: {}", reason);
  subscribed_ = false;
  bool wanted = false;
  {
    const std::lock_guard lock{mutex_};
    // Tags of the old channel mean nothing in the new one.
    tokens_.clear();
    ++lane_;
    wanted = wanted_;
  }
  channel.limit_unacknowledged(AmqpChannel::Lane::jobs, 1);
  if (wanted) want_job(true);
}

void RabbitServer::say_found() {
  if (!out_.is_up() || !in_.is_up()) return;
  complaints_.well();
  bool wanted = false;
  {
    const std::lock_guard lock{mutex_};
    wanted = wanted_;
  }
  {
    const std::lock_guard lock{hearing_};
    listener_->on_server_found();
  }
  if (wanted) want_job(true);
}

void RabbitServer::want_job(bool wanted) {
  {
    const std::lock_guard lock{mutex_};
    wanted_ = wanted;
  }
  in_.post([this](AmqpChannel& channel) {
    bool wanted_now = false;
    {
      const std::lock_guard lock{mutex_};
      wanted_now = wanted_ && tokens_.empty();
    }
    if (!wanted_now) return unsubscribe(channel);
    if (!subscribed_) look_for_job(channel);
  });
}

void RabbitServer::look_for_job(AmqpChannel& channel) {
  // A busy cluster has jobs waiting: the most urgent one is fetched without more ado.
  for (const Urgency urgency : Topology::kClasses)
    if (const auto delivery = channel.fetch(AmqpChannel::Lane::jobs, topology_.jobs(urgency)))
      return take_token(*delivery);
  subscribe(channel);
}

void RabbitServer::tick(AmqpChannel& channel) {
  if (!subscribed_ || Steady::now() - subscribed_at_ < kSubscribeAnew) return;
  unsubscribe(channel);
  look_for_job(channel);
}

void RabbitServer::subscribe(AmqpChannel& channel) {
  subscribed_ = true;
  subscribed_at_ = Steady::now();
  for (const Urgency urgency : Topology::kClasses) {
    const std::string queue = topology_.jobs(urgency);
    channel.consume(AmqpChannel::Lane::jobs, queue, kJobConsumer + queue,
                    AmqpChannel::Acknowledge::by_hand);
  }
}

void RabbitServer::unsubscribe(AmqpChannel& channel) {
  if (!std::exchange(subscribed_, false)) return;
  for (const Urgency urgency : Topology::kClasses)
    channel.cancel(AmqpChannel::Lane::jobs, kJobConsumer + topology_.jobs(urgency));
}

void RabbitServer::settle(const std::string& prompt_id) {
  Token token;
  {
    const std::lock_guard lock{mutex_};
    const auto found = tokens_.find(prompt_id);
    if (found == tokens_.end()) return;
    token = found->second;
    tokens_.erase(found);
  }
  in_.post([this, token](AmqpChannel& channel) { acknowledge(channel, token); }, token.epoch);
}

void RabbitServer::acknowledge(AmqpChannel& channel, const Token& token) const {
  {
    const std::lock_guard lock{mutex_};
    if (token.lane != lane_) return;
  }
  channel.acknowledge(AmqpChannel::Lane::jobs, token.tag);
}

void RabbitServer::receive(AmqpDelivery delivery) {
  if (delivery.consumer != kOwnConsumer) return take_token(delivery);
  Message message;
  try {
    message = from_wire(delivery.message);
  } catch (const Error& error) {
    const std::lock_guard lock{mutex_};
    if (++garbage_ == 1)
      log.warn("a message that cannot be read is passed over: {}", error.message);
    return;
  }
  if (message.type == Type::ping) return;  // that it arrived is the answer
  const std::lock_guard lock{hearing_};
  try {
    listener_->on_message(std::move(message));
  } catch (const Error& error) {
    log.warn("a message is passed over: {}", error.message);
    const std::lock_guard count{mutex_};
    ++garbage_;
  }
}

void RabbitServer::take_token(const AmqpDelivery& delivery) {
  Message job;
  try {
    job = from_wire(delivery.message);
    if (job.type != Type::job || job.prompt_id.empty() || job.store.empty())
      throw Error(Error::Kind::invalid_input, "a job must name its prompt and its store");
  } catch (const Error& error) {
    // Not ours, whoever put it there; it must not come back for ever.
    log.warn("a message in the job queue is thrown away: {}", error.message);
    bool wanted = false;
    Token token{delivery.tag, in_.epoch()};
    {
      const std::lock_guard lock{mutex_};
      ++garbage_;
      token.lane = lane_;
      wanted = wanted_;
    }
    in_.post([this, token](AmqpChannel& channel) { acknowledge(channel, token); }, token.epoch);
    if (wanted) want_job(true);
    return;
  }
  {
    const std::lock_guard lock{mutex_};
    tokens_[job.prompt_id] = {delivery.tag, in_.epoch(), lane_};
  }
  in_.post([this](AmqpChannel& channel) { unsubscribe(channel); });
  const std::lock_guard lock{hearing_};
  listener_->on_message(std::move(job));
}

void RabbitServer::route(const Message& message, AmqpMessage& wire) const {
  wire.reply_to = topology_.worker(key());
  wire.routing_key = message.store.empty() ? topology_.key_of_all() : topology_.key(message.store);
  switch (message.type) {
    case Type::event:
    case Type::preview:
      // A result is no less than an event, and keeps its place among them; only what a newer
      // preview replaces goes where little is kept.
      wire.exchange = is_replaceable(message) ? kPreviews : kEvents;
      wire.routing_key = topology_.event_key(message.store, message.body.string_or("owner", ""),
                                             message.prompt_id);
      return;
    case Type::hello:
    case Type::renew:
      wire.exchange = kLeases;
      return;
    default:
      // Word about no server's prompt in particular goes where all servers listen.
      wire.exchange = message.store.empty() ? kLeases : kResults;
      wire.persistent = wire.mandatory = !message.store.empty();
  }
}

void RabbitServer::sign(Message& hello) const {
  hello.body["worker"] = key();
  const std::lock_guard lock{mutex_};
  const auto age =
      std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - connected_);
  hello.body[kConnectedMs] = std::int64_t{age.count()};
}

void RabbitServer::send(Message message) {
  if (message.type == Type::pong || !in_.is_up()) {
    if (message.type != Type::release && message.type != Type::finish) return;
  }
  if (message.type == Type::hello) sign(message);
  Publication publication;
  try {
    {
      const std::lock_guard lock{mutex_};
      message.seq = ++seq_;
    }
    publication.message = to_wire(message);
  } catch (const Error& error) {
    log.warn("a message was not sent: {}", error.message);
    return;
  }
  route(message, publication.message);
  publication.keep = message.type == Type::release;
  if (is_replaceable(message)) publication.replaces = message.prompt_id;
  if (message.type == Type::finish || message.type == Type::claim) {
    message.body = Json::Object{};
    publication.done = [this, message = std::move(message)](Published result) {
      if (message.type == Type::finish && result == Published::confirmed) {
        const std::lock_guard lock{hearing_};
        listener_->on_kept(message);
      } else if (message.type == Type::claim && result == Published::returned) {
        // No server has ever had that store, or its queue was wiped away: it will offer it again.
        Message drop = message;
        drop.type = Type::drop;
        const std::lock_guard lock{hearing_};
        listener_->on_message(std::move(drop));
      }
    };
  }
  out_.publish(std::move(publication));
}

BrokerState RabbitServer::state() const {
  BrokerState state = out_.state();
  const BrokerState in = in_.state();
  state.connected = state.connected && in.connected;
  if (state.trouble.empty()) state.trouble = in.trouble;
  state.received = in.received;
  const std::lock_guard lock{mutex_};
  state.garbage = garbage_;
  return state;
}

}  // namespace

std::unique_ptr<RabbitServerLink> make_rabbit_server_link(const RabbitOptions& options) {
  return std::make_unique<RabbitServer>(options);
}

}  // namespace comfy::link
