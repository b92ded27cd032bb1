// SPDX-License-Identifier: GPL-3.0-or-later
// Which job is shown to whom, and the claims that answer.
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

constexpr std::size_t kTokenBytes = 16;
constexpr std::size_t kEarlyClaims = 10'000;
// Jobs in the common queue: enough that no worker waits, few enough that order is decided late.
constexpr std::size_t kOffersAtLeast = 4;
constexpr std::size_t kOffersPerWorker = 2;

Json parse_or_empty(const std::string& text) {
  return text.empty() ? Json{Json::Object{}} : parse_json(text, {.max_depth = 1024});
}

}  // namespace

bool Dispatcher::has_idle_worker() const {
  return std::ranges::any_of(
      workers_, [](const auto& entry) { return entry.second.state == Worker::State::idle; });
}

std::map<Class, std::size_t> Dispatcher::waiting_for_all() const {
  std::map<Class, std::size_t> waiting;
  for (const auto& [id, offer] : offers_)
    if (offer.waits_for_all()) ++waiting[offer.job.job_class];
  return waiting;
}

/// The idle worker that holds most of the models ready. With Choice::preferred only one that has
/// more of them than another that is idle.
std::optional<link::WorkerKey> Dispatcher::idle_worker(const NeedsPtr& needs, Choice choice) const {
  std::optional<link::WorkerKey> best;
  std::size_t most = 0;
  std::size_t least = 0;
  for (const auto& [key, worker] : workers_) {
    if (worker.state != Worker::State::idle || !placement_.can_run(key, needs)) continue;
    const std::size_t ready = Placement::ready(needs, worker.loaded);
    least = best ? std::min(least, ready) : ready;
    if (best && ready <= most) continue;
    best = key;
    most = ready;
  }
  if (choice == Choice::preferred && most == least) return {};
  return best;
}

void Dispatcher::dispatch() {
  const Time now = services_.clock.monotonic();
  if (paused_ || stopping_ || now < store_trouble_until_) return;
  const bool open = !shared_ || (now >= offers_rest_until_ && services_.link.is_open());
  if (!open) return;
  std::map<Class, std::size_t> waiting;
  if (shared_) waiting = waiting_for_all();
  const std::size_t window = std::max(kOffersAtLeast, kOffersPerWorker * workers_.size());
  // What is more urgent and did not fit into the queue comes before what is less urgent and would.
  const auto is_full = [&](Class job_class) {
    return std::ranges::any_of(waiting, [&](const auto& entry) {
      return entry.first <= job_class && entry.second >= window;
    });
  };
  const auto is_for_all = [&](const NeedsPtr& needs) {
    return shared_ && placement_.all_can_run(needs);
  };
  const auto passes = [&](Class job_class, const NeedsPtr& needs) {
    return is_for_all(needs) ? !is_full(job_class) : idle_worker(needs, Choice::any).has_value();
  };
  while (std::optional<QueuedJob> job = lanes_.next(now, passes)) {
    const bool for_all = is_for_all(job->needs);
    const auto worker = idle_worker(job->needs, for_all ? Choice::preferred : Choice::any);
    if (!worker) ++waiting[job->job_class];
    if (worker) {
      offer(*worker, workers_[*worker], *std::move(job));
    } else {
      offer_to_all(*std::move(job));
    }
  }
}

void Dispatcher::offer_to_all(QueuedJob job) {
  link::Message message;
  message.type = link::Type::job;
  message.prompt_id = job.prompt_id;
  services_.link.offer(std::move(message), static_cast<link::Urgency>(job.job_class));
  const std::string id = job.prompt_id;
  offers_[id] = {.job = std::move(job), .worker = {}, .at = services_.clock.monotonic()};
}

void Dispatcher::offer(const link::WorkerKey& key, Worker& worker, QueuedJob job) {
  worker.state = Worker::State::busy;
  worker.prompt_id = job.prompt_id;
  link::Message message;
  message.type = link::Type::job;
  message.prompt_id = job.prompt_id;
  // It may be busy with what another server gave it: then it keeps only what needs it.
  if (shared_) message.body["only"] = !placement_.all_can_run(job.needs);
  services_.link.send(key, std::move(message));
  fail_point("after_publish");
  const std::string id = job.prompt_id;
  offers_[id] = {.job = std::move(job), .worker = key, .at = services_.clock.monotonic()};
}

Dispatcher::Unplaced Dispatcher::find_unplaced() const {
  Unplaced found;
  if (workers_.empty()) return found;
  for (const auto& [needs, waiting] : lanes_.needs()) {
    if (placement_.any_can_run(needs)) continue;
    found.count += waiting;
    found.example = needs;
  }
  return found;
}

void Dispatcher::complain_of_unplaced() {
  const auto [count, example] = find_unplaced();
  if (count > 0 && !std::exchange(unplaced_, true))
    log.warn("{} prompts wait since no worker can run them: {}", count,
             placement_.missing(example));
  unplaced_ = count > 0;
}

void Dispatcher::put_back(const std::string& prompt_id) {
  auto offer = offers_.extract(prompt_id);
  if (offer.empty()) return;
  lanes_.add(std::move(offer.mapped().job));
}

void Dispatcher::drop(const link::WorkerKey& key, const std::string& prompt_id) {
  link::Message message;
  message.type = link::Type::drop;
  message.prompt_id = prompt_id;
  services_.link.send(key, std::move(message));
  set_idle(key, prompt_id);
}

void Dispatcher::set_idle(const link::WorkerKey& key, const std::string& prompt_id) {
  const auto found = workers_.find(key);
  if (found == workers_.end() || found->second.state == Worker::State::leaving) return;
  Worker& worker = found->second;
  if (worker.prompt_id != prompt_id) return;  // an old message; it is busy with another one
  worker.state = Worker::State::idle;
  worker.prompt_id.clear();
}

void Dispatcher::on_claim(const link::WorkerKey& key, const std::string& prompt_id) {
  const auto worker = workers_.find(key);
  if (worker == workers_.end()) {
    // A broker keeps claims for servers that were away; who asks must show that it lives.
    if (!shared_ || early_claims_.size() > kEarlyClaims) return;
    early_claims_[key] = prompt_id;
    return ask_for(key, "hello");
  }
  ++tally_.claims;
  if (const auto running = running_.find(prompt_id); running != running_.end())
    return claim_of_running(key, running->second);
  const auto other = running_.find(worker->second.prompt_id);
  if (other != running_.end() && other->second.worker == key) return drop(key, prompt_id);
  if (std::optional<QueuedJob> job = lanes_.remove(prompt_id))
    offers_[prompt_id] = {.job = *std::move(job), .worker = key};
  const auto offer = offers_.find(prompt_id);
  if (offer == offers_.end() || stopping_) return drop(key, prompt_id);
  if (offer->second.claiming) {
    if (offer->second.worker != key) drop(key, prompt_id);
    return;
  }
  if (!placement_.can_run(key, offer->second.job.needs)) return place_elsewhere(key, prompt_id);
  if (offer->second.worker != key) set_idle(offer->second.worker, prompt_id);
  offer->second.claiming = true;
  offer->second.worker = key;
  worker->second.state = Worker::State::busy;
  worker->second.prompt_id = prompt_id;
  const std::string token = random_hex(services_.random, kTokenBytes);
  services_.store.claim({.prompt_id = prompt_id,
                         .token = token,
                         .worker = shared_ ? key : worker->second.hello.worker_id,
                         .max_attempts = options_.max_attempts,
                         .at = services_.clock.wall()},
                        answered<std::optional<Claimed>>(
                            [this, key, token, prompt_id](Answer<std::optional<Claimed>> answer) {
                              on_claimed(key, token, std::move(answer), prompt_id);
                            }));
}

/// Its taker came to the common queue after the job did, and cannot run it.
void Dispatcher::place_elsewhere(const link::WorkerKey& key, const std::string& prompt_id) {
  put_back(prompt_id);
  drop(key, prompt_id);
  dispatch();
}

void Dispatcher::claim_of_running(const link::WorkerKey& key, Running& running) {
  const std::string& prompt_id = running.id.prompt_id;
  // The same worker asks again because our answer was lost.
  if (running.worker == key && !running.losing && !running.adopted)
    return services_.link.send(key, running.go);
  if (!shared_) return drop(key, prompt_id);
  // The broker gave the job to somebody else: is its owner gone? Its queue tells.
  claimants_[prompt_id] = key;
  link::Message wait;
  wait.type = link::Type::wait;
  wait.prompt_id = prompt_id;
  services_.link.send(key, std::move(wait));
  if (running.losing) return;
  if (running.worker == key) return ask_for(key, "hello");
  services_.link.probe(running.worker);
}

void Dispatcher::answer_claimant(const std::string& prompt_id) {
  const auto claimant = claimants_.extract(prompt_id);
  if (!claimant.empty()) on_claim(claimant.mapped(), prompt_id);
}

void Dispatcher::on_claimed(const link::WorkerKey& key, const std::string& token,
                            Answer<std::optional<Claimed>> answer, const std::string& prompt_id) {
  auto offer = offers_.extract(prompt_id);
  QueuedJob job = offer.empty() ? QueuedJob{.prompt_id = prompt_id} : std::move(offer.mapped().job);
  if (!answer.succeeded()) {
    is_store_trouble(answer.error());
    log.warn("prompt {} was not handed out: {}", prompt_id, answer.error().message);
    lanes_.add(std::move(job));
    return drop(key, prompt_id);
  }
  std::optional<Claimed> claimed = std::move(answer).get();
  if (!claimed) {
    drop(key, prompt_id);
    send_status();
    return dispatch();
  }
  run(key, std::move(job), token, *std::move(claimed));
}

void Dispatcher::run(const link::WorkerKey& key, QueuedJob job, const std::string& token,
                     Claimed claimed) {
  const Time now = services_.clock.monotonic();
  link::Go go{.id = {claimed.prompt_id, claimed.attempt, token},
              .prompt = parse_or_empty(claimed.prompt),
              .extra_data = parse_or_empty(claimed.extra_data),
              .secrets = parse_or_empty(claimed.secrets),
              .client_id = claimed.client_id,
              .owner = claimed.owner};
  const Json outputs = parse_json(claimed.outputs_to_execute);
  for (const Json& output : outputs.as_array()) go.outputs.push_back(output.as_string());
  const std::string preview = go.extra_data.string_or("preview_method", "");
  Running& running = running_[claimed.prompt_id] = {
      .job = std::move(job),
      .id = go.id,
      .worker = key,
      .preview_asked = !preview.empty() && preview != "none" && preview != "default",
      .renewed_at = now,
      .progress_at = now,
      .started_at = now};
  const auto worker = workers_.find(key);
  if (worker == workers_.end() || worker->second.state == Worker::State::leaving || stopping_)
    return lose(running, "the worker left before the start", Counted::no);
  // Of what an earlier process accepted it is found out now.
  if (const auto& needs = options_.catalogue.needs; needs && !running.job.needs) {
    running.job.needs = placement_.intern(needs(go.prompt, go.outputs));
    if (!placement_.can_run(key, running.job.needs)) {
      drop(key, claimed.prompt_id);
      return lose(running, "another worker is needed", Counted::no);
    }
  }
  ++tally_.attempts;
  if (go.id.attempt > 1) ++tally_.takeovers;
  running.go = link::to_message(go);
  fail_point("after_claim");
  services_.link.send(key, running.go);
  send_status();
}

}  // namespace comfy::jobs
