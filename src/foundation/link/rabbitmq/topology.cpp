// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/topology.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace comfy::link {
namespace {

constexpr std::size_t kLongestName = 128;
// A routing key has at most 255 bytes; a prompt's id that would not fit is hashed.
constexpr std::size_t kLongestKey = 255;

/// The first 16 hexadecimal digits of SHA-256: a user's name does not travel in routing keys.
std::string short_hash(std::string_view text) {
  const Digest digest = sha256(text);
  return to_hex(std::span{digest}.first(8));
}

bool is_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, allowed);
}

AmqpArguments arguments_of_leases() {
  return {{"x-message-ttl", 15'000},
          {"x-max-length", 10'000},
          {"x-overflow", std::string{"drop-head"}}};
}

}  // namespace

Topology::Topology(std::string queue) : queue_{std::move(queue)} {
  if (!is_name(queue_))
    throw Error(Error::Kind::invalid_input,
                fmt::format("--distributed-queue-name must have 1 to 128 letters, digits, dots, "
                            "underscores or hyphens, got \"{}\"",
                            queue_));
}

std::string Topology::jobs(Urgency urgency) const {
  constexpr std::array<const char*, 3> kNames{"high", "normal", "low"};
  return fmt::format("comfy.jobs.{}.{}", queue_, kNames[static_cast<std::size_t>(urgency)]);
}

std::string Topology::event_key(const std::string& store, const std::string& owner,
                                const std::string& prompt_id) const {
  std::string key = fmt::format("{}.{}.{}.", queue_, store, short_hash(owner));
  return key + (key.size() + prompt_id.size() <= kLongestKey ? prompt_id : short_hash(prompt_id));
}

std::string Topology::worker_of(std::string_view queue) const {
  const std::string prefix = worker_prefix();
  return queue.starts_with(prefix) ? std::string{queue.substr(prefix.size())} : std::string{};
}

bool Topology::declare_shared(AmqpChannel& channel, const std::string& store,
                              Leases leases_are) const {
  for (const char* name : {kResults, kLeases, kDead}) channel.declare_exchange(name, "direct");
  for (const char* name : {kControl, kEvents, kPreviews}) channel.declare_exchange(name, "topic");
  const AmqpChannel::Queue durable{.durable = true};
  const std::string quorum = "quorum";
  channel.declare_queue(dead(), durable, {{"x-queue-type", quorum}});
  channel.bind(dead(), kDead, queue_);
  for (const Urgency urgency : kClasses)
    channel.declare_queue(jobs(urgency), durable,
                          {{"x-queue-type", quorum},
                           {"x-delivery-limit", 20},
                           {"x-dead-letter-exchange", std::string{kDead}},
                           {"x-dead-letter-routing-key", queue_},
                           {"x-dead-letter-strategy", std::string{"at-least-once"}},
                           {"x-overflow", std::string{"reject-publish"}},
                           {"x-max-length", 100'000}});
  const std::size_t of_results = channel.declare_queue(
      results(store), durable,
      {{"x-queue-type", quorum}, {"x-overflow", std::string{"reject-publish"}}});
  channel.bind(results(store), kResults, key(store));
  if (leases_are == Leases::elsewhere) return of_results > 0;
  try {
    return declare_leases(channel, store) && of_results > 0;
  } catch (const Error& error) {
    // A classic queue lies on one node, and nobody has it while that one is away.
    if (error.kind != Error::Kind::not_found) throw;
    throw Error(Error::Kind::unavailable, error.message, kLeasesAway);
  }
}

bool Topology::declare_leases(AmqpChannel& channel, const std::string& store) const {
  const std::size_t consumers =
      channel.declare_queue(leases(store), {.durable = true}, arguments_of_leases());
  channel.bind(leases(store), kLeases, key(store));
  // Workers that speak to no server in particular say hello to every one.
  channel.bind(leases(store), kLeases, key_of_all());
  return consumers > 0;
}

void Topology::declare_own_leases(AmqpChannel& channel, const std::string& store,
                                  const std::string& frontend) const {
  channel.declare_queue(own_leases(frontend), {.exclusive = true, .auto_delete = true},
                        arguments_of_leases());
  channel.bind(own_leases(frontend), kLeases, key(store));
  channel.bind(own_leases(frontend), kLeases, key_of_all());
}

void Topology::declare_frontend(AmqpChannel& channel, const std::string& frontend) const {
  const AmqpChannel::Queue own{.exclusive = true, .auto_delete = true};
  const std::string drop = "drop-head";
  channel.declare_queue(events(frontend), own,
                        {{"x-max-length", 10'000},
                         {"x-max-length-bytes", 67'108'864},
                         {"x-message-ttl", 60'000},
                         {"x-overflow", drop}});
  channel.declare_queue(previews(frontend), own,
                        {{"x-max-length", 64}, {"x-message-ttl", 2'000}, {"x-overflow", drop}});
}

void Topology::declare_worker(AmqpChannel& channel, const std::string& id) const {
  for (const char* name : {kResults, kLeases, kControl, kEvents, kPreviews})
    channel.expect_exchange(name);
  for (const Urgency urgency : kClasses) channel.expect_queue(jobs(urgency));
  channel.declare_queue(worker(id), {.exclusive = true, .auto_delete = true},
                        {{"x-max-length", 1'000}, {"x-overflow", std::string{"drop-head"}}});
  channel.bind(worker(id), kControl, key_of_all());
}

}  // namespace comfy::link
