// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/base/fail_point.h"
#include "foundation/base/ids.h"
#include "frontend/jobs/dispatcher.h"
#include "frontend/jobs/dispatcher_answered.h"
#include "frontend/jobs/log.h"

#include <algorithm>
#include <utility>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kVerdictPatience{2'000};
constexpr auto kOffersRest = 1s;
// What workers have that are gone is accepted for a while: they may only be starting again.
constexpr std::chrono::hours kListsKept{1};
constexpr std::size_t kMaxList = 256U << 20;  // of a catalogue, unpacked

/// The model files that a worker says it holds ready.
Names loaded_of(const Json& state) {
  Names names;
  const Json* loaded = state.is_object() ? state.find("loaded") : nullptr;
  if (loaded == nullptr || !loaded->is_array()) return names;
  for (const Json& name : loaded->as_array())
    if (name.is_string()) names.insert(name.as_string());
  return names;
}

}  // namespace

void Dispatcher::on_message(const link::WorkerKey& key, link::Message message) {
  using link::Type;
  try {
    if (message.type == Type::catalogue) return on_catalogue(message);
    if (message.type == Type::models) return on_models(message);
    if (message.type == Type::verdict) return inquiries_.answer(link::read_verdict(message));
    const std::lock_guard lock{door_->mutex};
    switch (message.type) {
      case Type::hello:
        return on_hello(key, message);
      case Type::claim:
        return on_claim(key, message.prompt_id);
      case Type::renew:
        return on_renew(key, message);
      case Type::event:
        return on_event(std::move(message));
      case Type::preview:
        return on_preview(std::move(message));
      case Type::snapshot:
        return on_snapshot(message);
      case Type::finish:
        return on_finish(key, std::move(message));
      case Type::release:
        return on_release(key, message);
      case Type::ping: {
        link::Message pong;
        pong.type = Type::pong;
        return services_.link.send(key, std::move(pong));
      }
      default:
        ++tally_.ignored_messages;
    }
  } catch (const Error& error) {
    log.warn("a \"{}\" message of worker {} is passed over: {}", link::type_name(message.type), key,
             error.message);
    const std::lock_guard lock{door_->mutex};
    ++tally_.ignored_messages;
  }
}

void Dispatcher::on_hello(const link::WorkerKey& key, const link::Message& message) {
  link::Hello hello = link::read_hello(message);
  const bool is_new = !workers_.contains(key);
  Worker& worker = workers_[key];
  if (is_new) log.info("worker {} ({}) is ready", hello.worker_id, key);
  note_lists(key, hello);
  if (!hello.state.is_null()) note_state(worker, hello.state);
  for (const link::AttemptId& id : hello.running) {
    if (!is_new) break;
    worker.state = Worker::State::busy;
    worker.prompt_id = id.prompt_id;
    Running* running = find(id);
    if (running == nullptr) {
      // It stays busy until it says that it has stopped.
      services_.link.send(key, link::to_message(link::Renewed{.id = id, .lost = true}));
      continue;
    }
    running->worker = key;
    running->renewed_at = services_.clock.monotonic();
    if (std::exchange(running->adopted, false))
      services_.link.send(key, link::about(link::Type::snapshot, id));
  }
  worker.hello = std::move(hello);
  if (shared_) greet_again(key, worker.hello);
  if (stopping_ && !shared_) {
    // It came up while the server was already on its way out.
    link::Message shutdown;
    shutdown.type = link::Type::shutdown;
    shutdown.body["drain_ms"] = std::int64_t{0};
    services_.link.send(key, shutdown);
  }
  dispatch();
}

void Dispatcher::greet_again(const link::WorkerKey& key, const link::Hello& hello) {
  Worker& worker = workers_[key];
  if (worker.state != Worker::State::leaving) {
    const bool ours = offers_.contains(worker.prompt_id) || running_.contains(worker.prompt_id);
    // It may be busy with what another server gave it.
    if (!ours) worker.state = hello.busy ? Worker::State::busy : Worker::State::idle;
  }
  // What an earlier process gave out and its worker knows nothing of has never begun.
  for (auto& [id, running] : running_)
    if (running.adopted && running.worker == key &&
        std::ranges::find(hello.running, running.id) == hello.running.end())
      lose(running, "it never began", Counted::no);
  if (const auto early = early_claims_.extract(key)) on_claim(key, early.mapped());
}

void Dispatcher::note_state(Worker& worker, Json state) {
  worker.loaded = loaded_of(state);
  worker.report = std::move(state);
}

void Dispatcher::ask_for(const link::WorkerKey& key, std::string_view what) {
  link::Message need;
  need.type = link::Type::need;
  need.body["what"] = what;
  services_.link.send(key, std::move(need));
}

/// With every greeting: a list that was asked for may have been lost on its way.
void Dispatcher::note_lists(const link::WorkerKey& key, const link::Hello& hello) {
  const auto& classes = options_.catalogue.classes;
  // Without anybody to keep lists none are asked for, and every worker is as good as any.
  const std::string classes_hash = classes ? hello.catalogue_hash : "";
  const std::string models_hash = options_.catalogue.models ? hello.models_hash : "";
  const std::string before = workers_[key].hello.models_hash;
  placement_.set_worker(key, classes_hash, models_hash);
  if (before != models_hash && !before.empty() && placement_.forget_unused(before)) tell_models();
  if (!classes_hash.empty() && !placement_.knows_classes(classes_hash)) {
    if (const auto list = classes(classes_hash)) {
      placement_.learn_classes(classes_hash, list);
    } else {
      ask_for(key, "catalogue");
    }
  }
  if (!models_hash.empty() && !placement_.knows_models(models_hash)) ask_for(key, "models");
}

void Dispatcher::on_catalogue(const link::Message& message) {
  if (!options_.catalogue.received || !options_.catalogue.classes) return;
  const std::string hash = message.body.string_or("hash", "");
  // Unpacked and read outside the mutex: it is long.
  options_.catalogue.received(hash, parse_json(link::inflate(message.binary, kMaxList)));
  const std::lock_guard lock{door_->mutex};
  placement_.learn_classes(hash, options_.catalogue.classes(hash));
  dispatch();
}

void Dispatcher::on_models(const link::Message& message) {
  if (!options_.catalogue.models) return;
  auto names = std::make_shared<Names>();
  const Json folders = parse_json(link::inflate(message.binary, kMaxList));
  for (const auto& [folder, files] : folders.as_object())
    for (const Json& file : files.as_array()) names->insert(folder + "/" + file.as_string());
  const std::lock_guard lock{door_->mutex};
  placement_.learn_models(message.body.string_or("hash", ""), std::move(names));
  tell_models();
  dispatch();
}

void Dispatcher::tell_models() {
  if (options_.catalogue.models)
    options_.catalogue.models(std::make_shared<const Names>(placement_.models()));
}

std::optional<link::Verdict> Dispatcher::ask_validator(link::Question question) {
  std::optional<link::WorkerKey> worker;
  {
    const std::lock_guard lock{door_->mutex};
    for (const auto& [key, one] : workers_)
      if (!worker && placement_.has_class(key, question.node_class)) worker = key;
  }
  if (!worker) return {};
  const auto send = [&](const link::Question& asked) {
    services_.link.send(*worker, link::to_message(asked));
  };
  return inquiries_.ask(std::move(question), send, kVerdictPatience);
}

void Dispatcher::on_worker_lost(const link::WorkerKey& key, const link::WorkerExit& exit) {
  const std::lock_guard lock{door_->mutex};
  workers_.erase(key);
  placement_.remove_worker(key);
  forget_lists_at_ = services_.clock.monotonic() + kListsKept;
  early_claims_.erase(key);
  std::erase_if(claimants_, [&](const auto& entry) { return entry.second == key; });
  std::vector<std::string> offered;
  for (const auto& [id, offer] : offers_)
    if (offer.worker == key && !offer.claiming) offered.push_back(id);
  for (const std::string& id : offered) put_back(id);
  for (auto& [id, running] : running_)
    if (running.worker == key)
      // What is ended by our own end is taken back, not held against the prompt.
      lose(running, exit.reason, stopping_ ? Counted::no : Counted::yes);
  dispatch();
}

void Dispatcher::on_worker_there(const link::WorkerKey& key) {
  const std::lock_guard lock{door_->mutex};
  for (auto claimant = claimants_.begin(); claimant != claimants_.end();) {
    const auto running = running_.find(claimant->first);
    if (running == running_.end() || running->second.losing || running->second.worker != key) {
      ++claimant;
      continue;
    }
    drop(claimant->second, claimant->first);
    claimant = claimants_.erase(claimant);
  }
}

void Dispatcher::on_offer_lost(const std::string& prompt_id) {
  const std::lock_guard lock{door_->mutex};
  const auto offer = offers_.find(prompt_id);
  if (offer == offers_.end() || !offer->second.waits_for_all()) return;
  put_back(prompt_id);
  offers_rest_until_ = services_.clock.monotonic() + kOffersRest;
}

void Dispatcher::on_link_up() {
  const std::lock_guard lock{door_->mutex};
  std::vector<std::string> offered;
  for (const auto& [id, offer] : offers_)
    if (offer.waits_for_all()) offered.push_back(id);
  for (const std::string& id : offered) put_back(id);
  offers_rest_until_ = {};
  dispatch();
}

}  // namespace comfy::jobs
