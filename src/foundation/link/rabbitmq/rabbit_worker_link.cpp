// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/rabbit_worker_link.h"

#include "foundation/base/error.h"
#include "foundation/link/bodies.h"
#include "foundation/link/log.h"
#include "foundation/link/rabbitmq/amqp_connection.h"
#include "foundation/link/rabbitmq/complaints.h"
#include "foundation/link/rabbitmq/topology.h"
#include "foundation/link/rabbitmq/wire.h"

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace comfy::link {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto kPingEvery = 5s;
// The self-ping of a link that works is never older than this.
constexpr auto kDeaf = 8s;
// After an outage workers are given this long to come back before any is taken for dead.
constexpr auto kGrace = 10s;
constexpr auto kDeclareEvery = 10s;
// A quorum queue that is silent for longer has lost its leader for good (docs/reliability.md). What
// is in it is repeated by those who sent it.
constexpr auto kSilent = 30s;
constexpr int kResultsAtOnce = 64;
constexpr const char* kSelfPing = "self-ping";

/// Brings results back to the broker's mind: acknowledged once nobody holds the message any more.
using Receipt = std::shared_ptr<const void>;

class RabbitWorkers final : public RabbitWorkerLink {
 public:
  explicit RabbitWorkers(RabbitFrontendOptions options)
      : options_{std::move(options)},
        topology_{options_.broker.queue},
        complaints_{options_.broker.id, shown(parse_broker_addresses(options_.broker.uri)),
                    system_clock()},
        out_{parse_broker_addresses(options_.broker.uri),
             options_.broker.id + " (sends)",
             AmqpConnection::Confirms::on,
             {.set_up = [this](AmqpChannel& channel) { declare(channel); },
              .on_up = [this] { went_up(); },
              .on_tick = [this](AmqpChannel& channel) { tick(channel); },
              .on_trouble = [this](const Error& error) { on_trouble(error); }}},
        in_{std::make_shared<AmqpConnection>(
            parse_broker_addresses(options_.broker.uri), options_.broker.id + " (receives)",
            AmqpConnection::Confirms::off,
            AmqpConnection::Hooks{
                .set_up = [this](AmqpChannel& channel) { set_up(channel); },
                .on_up = [this] { went_up(); },
                .on_delivery = [this](AmqpDelivery delivery) { receive(std::move(delivery)); },
                .on_trouble = [this](const Error& error) { on_trouble(error); }})} {}

  ~RabbitWorkers() override { stop(0ms); }

  void start(WorkerListener& listener) override {
    listener_ = &listener;
    in_->start();
    out_.start();
  }
  void send(const WorkerKey& worker, Message message) override;
  void kill(const WorkerKey& worker) override;
  void stop(std::chrono::milliseconds patience) override {
    out_.stop(std::min(patience, std::chrono::milliseconds{2s}));
    in_->stop(std::min(patience, std::chrono::milliseconds{2s}));
  }

  bool is_shared() const override { return true; }
  void offer(Message job, Urgency urgency) override;
  bool is_open() const override { return is_up() && !out_.state().blocked; }
  bool hears() const override;
  void probe(const WorkerKey& worker) override;
  BrokerState state() const override;

 private:
  bool is_up() const { return out_.is_up() && in_->is_up(); }
  bool ends_grace();
  bool may_be_on_its_way_back(const WorkerKey& worker) const;
  bool declare(AmqpChannel& channel) const {
    return topology_.declare_shared(
        channel, options_.store,
        leases_away_ ? Topology::Leases::elsewhere : Topology::Leases::shared);
  }
  void look_after_queues(AmqpChannel& channel);
  void set_up(AmqpChannel& channel);
  void consume(AmqpChannel& channel, const std::string& queue, const char* consumer);
  void note_answer(const std::string& queue, Published result);
  void went_up();
  void tick(AmqpChannel& channel);
  void ping_all();
  void ask_for_those_asked_for();
  void on_trouble(const Error& error);

  void receive(AmqpDelivery delivery);
  void on_dead_letter(Message job, Receipt receipt);
  void hello(const WorkerKey& worker, Message& message);
  void lost(const WorkerKey& worker, const char* reason);
  void publish_to_worker(const WorkerKey& worker, Message message,
                         std::function<void(Published)> done);
  std::optional<AmqpMessage> packed(Message message);
  Receipt receipt_of(const AmqpDelivery& delivery) const;

  const RabbitFrontendOptions options_;
  const Topology topology_;
  WorkerListener* listener_ = nullptr;
  std::mutex hearing_;  // the listener hears one thing at a time
  std::atomic<bool> ever_up_{false};
  std::atomic<bool> leases_away_{false};

  mutable std::mutex mutex_;
  std::uint64_t ups_ = 0;                       // how often this server's connections came up
  std::map<WorkerKey, std::uint64_t> workers_;  // and after which of these it said hello last
  std::set<WorkerKey> asked_for_;               // probes that wait for the end of the grace
  bool grace_ = false;
  Steady::time_point grace_until_{};
  Steady::time_point heard_{};  // the last self-ping
  std::uint64_t seq_ = 0;
  std::uint64_t garbage_ = 0;
  std::map<std::string, Steady::time_point> silent_since_;  // queues that do not answer

  // The sending thread's alone.
  Steady::time_point next_ping_{};
  Steady::time_point next_declare_{};
  int unconsumed_ = 0;  // how often in a row nobody received what is sent to this server

  Complaints complaints_;
  AmqpConnection out_;
  std::shared_ptr<AmqpConnection> in_;  // receipts may outlive the link
};

void RabbitWorkers::set_up(AmqpChannel& channel) {
  using Lane = AmqpChannel::Lane;
  using Acknowledge = AmqpChannel::Acknowledge;
  const std::string& store = options_.store;
  const std::string& id = options_.broker.id;
  declare(channel);
  topology_.declare_frontend(channel, id);
  for (const char* exchange : {kEvents, kPreviews})
    channel.bind(exchange == kEvents ? topology_.events(id) : topology_.previews(id), exchange,
                 topology_.key(store) + ".#");
  channel.limit_unacknowledged(Lane::main, kResultsAtOnce);
  consume(channel, topology_.results(store), kResults);
  consume(channel, topology_.dead(), kDead);
  if (leases_away_) topology_.declare_own_leases(channel, store, id);
  channel.consume(Lane::main, leases_away_ ? topology_.own_leases(id) : topology_.leases(store),
                  kLeases, Acknowledge::never);
  channel.consume(Lane::main, topology_.events(id), kEvents, Acknowledge::never);
  channel.consume(Lane::main, topology_.previews(id), kPreviews, Acknowledge::never);
}

void RabbitWorkers::consume(AmqpChannel& channel, const std::string& queue, const char* consumer) {
  try {
    channel.consume(AmqpChannel::Lane::main, queue, consumer, AmqpChannel::Acknowledge::by_hand);
    note_answer(queue, Published::confirmed);
  } catch (const Error& error) {
    if (error.details == "timeout") note_answer(queue, Published::unknown);
    throw;
  }
}

void RabbitWorkers::note_answer(const std::string& queue, Published result) {
  {
    const std::lock_guard lock{mutex_};
    if (result != Published::unknown) {
      silent_since_.erase(queue);
      return;
    }
    const auto now = Steady::now();
    const auto since = silent_since_.try_emplace(queue, now).first;
    if (!out_.is_up() || now - since->second < kSilent) return;
    silent_since_.erase(since);
  }
  log.warn("the broker's queue {} does not answer and is made anew", queue);
  out_.post([this, queue](AmqpChannel& channel) {
    channel.delete_queue(queue);
    declare(channel);
  });
}

void RabbitWorkers::on_trouble(const Error& error) {
  complaints_.trouble(error.message);
  // From the next connection on, and for good: one of its own serves as well.
  if (error.details == Topology::kLeasesAway) leases_away_ = true;
  // Another object of that name. It is as the cluster's other programs want it, or a stranger's.
  if (error.kind == Error::Kind::conflict && !ever_up_.load() && options_.on_conflict)
    options_.on_conflict(error.message);
}

/// True once, when the grace is over.
bool RabbitWorkers::ends_grace() {
  const std::lock_guard lock{mutex_};
  if (!grace_ || Steady::now() < grace_until_) return false;
  grace_ = false;
  return true;
}

/// Whether a queue that is gone may be that of a worker that lives: the broker was away, and it did
/// not say hello again under its new name yet.
bool RabbitWorkers::may_be_on_its_way_back(const WorkerKey& worker) const {
  const std::lock_guard lock{mutex_};
  const auto known = workers_.find(worker);
  return grace_ && (known == workers_.end() || known->second != ups_);
}

void RabbitWorkers::went_up() {
  if (!is_up()) return;
  ever_up_ = true;
  complaints_.well();
  {
    const std::lock_guard lock{mutex_};
    ++ups_;
    grace_ = true;
    grace_until_ = Steady::now() + kGrace;
    heard_ = Steady::now();
  }
  Message need;
  need.type = Type::need;
  need.body["what"] = "hello";
  if (std::optional<AmqpMessage> wire = packed(std::move(need))) {
    wire->exchange = kControl;
    wire->routing_key = topology_.key_of_all();
    out_.publish({.message = *std::move(wire)});
  }
  const std::lock_guard lock{hearing_};
  listener_->on_link_up();
}

void RabbitWorkers::tick(AmqpChannel& channel) {
  const auto now = Steady::now();
  if (now >= next_declare_) {
    next_declare_ = now + kDeclareEvery;
    look_after_queues(channel);
  }
  const bool grace_is_over = ends_grace();
  if (grace_is_over) ask_for_those_asked_for();
  if (now < next_ping_ && !grace_is_over) return;
  next_ping_ = now + kPingEvery;
  out_.publish({.message = {.exchange = kLeases,
                            .routing_key = topology_.key(options_.store),
                            .type = kSelfPing},
                .replaces = kSelfPing});
  ping_all();
}

/// Somebody may have wiped the broker's objects away under our feet.
void RabbitWorkers::look_after_queues(AmqpChannel& channel) {
  const bool consumed = declare(channel);
  unconsumed_ = consumed || !in_->is_up() ? 0 : unconsumed_ + 1;
  if (unconsumed_ < 2) return;
  // A queue that was deleted and made anew in the same moment has no consumers, and RabbitMQ 3.10
  // tells nobody.
  unconsumed_ = 0;
  in_->post([](AmqpChannel&) {
    throw Error(Error::Kind::unavailable, "the broker forgot that this server receives");
  });
}

void RabbitWorkers::ask_for_those_asked_for() {
  std::set<WorkerKey> workers;
  {
    const std::lock_guard lock{mutex_};
    workers.swap(asked_for_);
  }
  for (const WorkerKey& worker : workers) probe(worker);
}

void RabbitWorkers::ping_all() {
  std::map<WorkerKey, std::uint64_t> workers;
  {
    const std::lock_guard lock{mutex_};
    workers = workers_;
  }
  for (const auto& [worker, up] : workers) {
    Message ping;
    ping.type = Type::ping;
    publish_to_worker(worker, std::move(ping), {});
  }
}

bool RabbitWorkers::hears() const {
  if (!is_up()) return false;
  const std::lock_guard lock{mutex_};
  return Steady::now() - heard_ < kDeaf;
}

std::optional<AmqpMessage> RabbitWorkers::packed(Message message) {
  message.store = options_.store;
  {
    const std::lock_guard lock{mutex_};
    message.seq = ++seq_;
  }
  try {
    return to_wire(message);
  } catch (const Error& error) {
    log.warn("a message was not sent: {}", error.message);
    return {};
  }
}

void RabbitWorkers::publish_to_worker(const WorkerKey& worker, Message message,
                                      std::function<void(Published)> done) {
  const bool replaceable = message.type == Type::ping && !done;
  std::optional<AmqpMessage> wire = packed(std::move(message));
  if (!wire) return;
  wire->routing_key = topology_.worker(worker);
  wire->mandatory = true;
  out_.publish({.message = *std::move(wire),
                .replaces = replaceable ? "ping " + worker : std::string{},
                .done = [this, worker, done = std::move(done)](Published result) {
                  // A queue that is gone says that its worker's connection is. After an outage
                  // that is so for all of them, until they are back under a new name.
                  if (result == Published::returned && !may_be_on_its_way_back(worker))
                    lost(worker, "its connection to the broker ended");
                  if (done) done(result);
                }});
}

void RabbitWorkers::send(const WorkerKey& worker, Message message) {
  if (!worker.empty()) publish_to_worker(worker, std::move(message), {});
}

void RabbitWorkers::kill(const WorkerKey& worker) {
  // Nobody can end a process on another machine; here it is as good as gone.
  out_.post([this, worker](AmqpChannel&) { lost(worker, "it was given up"); });
}

void RabbitWorkers::lost(const WorkerKey& worker, const char* reason) {
  {
    const std::lock_guard lock{mutex_};
    workers_.erase(worker);
  }
  const std::lock_guard lock{hearing_};
  listener_->on_worker_lost(worker, {.reason = reason});
}

void RabbitWorkers::probe(const WorkerKey& worker) {
  if (worker.empty()) return;
  if (may_be_on_its_way_back(worker)) {
    const std::lock_guard lock{mutex_};
    asked_for_.insert(worker);
    return;
  }
  Message ping;
  ping.type = Type::ping;
  publish_to_worker(worker, std::move(ping), [this, worker](Published result) {
    if (result != Published::confirmed) return;
    const std::lock_guard lock{hearing_};
    listener_->on_worker_there(worker);
  });
}

void RabbitWorkers::offer(Message job, Urgency urgency) {
  const std::string prompt_id = job.prompt_id;
  std::optional<AmqpMessage> wire = packed(std::move(job));
  if (!wire) return;
  const std::string queue = wire->routing_key = topology_.jobs(urgency);
  wire->persistent = wire->mandatory = true;
  out_.publish({.message = *std::move(wire), .done = [this, prompt_id, queue](Published result) {
                  note_answer(queue, result);
                  if (result == Published::confirmed) return;
                  // Without an answer it may be there all the same: a second token is refused.
                  if (result == Published::returned)
                    out_.post([this](AmqpChannel& channel) { declare(channel); });
                  const std::lock_guard lock{hearing_};
                  listener_->on_offer_lost(prompt_id);
                }});
}

Receipt RabbitWorkers::receipt_of(const AmqpDelivery& delivery) const {
  const auto acknowledge = [connection = in_, tag = delivery.tag,
                            epoch = in_->epoch()](const void*) {
    connection->post(
        [tag](AmqpChannel& channel) { channel.acknowledge(AmqpChannel::Lane::main, tag); }, epoch);
  };
  static const int nothing = 0;
  return {&nothing, acknowledge};
}

void RabbitWorkers::receive(AmqpDelivery delivery) {
  const bool by_hand = delivery.consumer == kResults || delivery.consumer == kDead;
  const Receipt receipt = by_hand ? receipt_of(delivery) : Receipt{};
  if (delivery.message.type == kSelfPing) {
    const std::lock_guard lock{mutex_};
    heard_ = Steady::now();
    return;
  }
  Message message;
  try {
    message = from_wire(delivery.message);
    if (message.store.empty()) message.store = delivery.message.store;
    if (delivery.consumer == kDead) return on_dead_letter(std::move(message), receipt);
    const WorkerKey worker = topology_.worker_of(delivery.message.reply_to);
    if (message.type == Type::job) return on_dead_letter(std::move(message), receipt);
    if (worker.empty())
      throw Error(Error::Kind::invalid_input, "a worker's message must name its queue");
    if (message.type == Type::hello) hello(worker, message);
    // To those above, this server's store is the only one.
    message.store.clear();
    message.held = receipt;
    const std::lock_guard lock{hearing_};
    listener_->on_message(worker, std::move(message));
  } catch (const Error& error) {
    const std::lock_guard lock{mutex_};
    if (++garbage_ == 1)
      log.warn("a message of the broker that cannot be used is passed over: {}", error.message);
  }
}

void RabbitWorkers::hello(const WorkerKey& worker, Message& message) {
  const std::chrono::milliseconds connected{message.body.int_or(kConnectedMs, 0)};
  Hello hello = read_hello(message);
  hello.worker_id = worker;
  hello.busy = hello.busy || !hello.running.empty();
  std::erase_if(hello.running, [this](const AttemptId& id) { return id.store != options_.store; });
  for (AttemptId& id : hello.running) id.store.clear();
  Message own = to_message(hello);
  own.seq = message.seq;
  message = std::move(own);
  const std::lock_guard lock{mutex_};
  workers_[worker] = ups_;
  // The broker is older than the grace: whoever is not here by now did not lose it.
  if (connected > kGrace) grace_until_ = std::min(grace_until_, Steady::now());
}

void RabbitWorkers::on_dead_letter(Message job, Receipt receipt) {
  if (job.type != Type::job || job.prompt_id.empty() || job.store.empty())
    throw Error(Error::Kind::invalid_input, "a dead letter must be a job");
  if (job.store == options_.store) {
    const std::lock_guard lock{hearing_};
    listener_->on_offer_lost(job.prompt_id);
    return;
  }
  // It is another server's; whoever reads it first passes it on.
  AmqpMessage wire = to_wire(job);
  wire.exchange = kResults;
  wire.routing_key = topology_.key(job.store);
  wire.persistent = true;
  out_.publish({.message = std::move(wire), .keep = true, .done = [receipt](Published) {}});
}

BrokerState RabbitWorkers::state() const {
  BrokerState state = out_.state();
  const BrokerState in = in_->state();
  state.connected = state.connected && in.connected;
  if (state.trouble.empty()) state.trouble = in.trouble;
  state.received = in.received;
  const std::lock_guard lock{mutex_};
  state.garbage = garbage_;
  return state;
}

}  // namespace

std::unique_ptr<RabbitWorkerLink> make_rabbit_worker_link(RabbitFrontendOptions options) {
  return std::make_unique<RabbitWorkers>(std::move(options));
}

}  // namespace comfy::link
