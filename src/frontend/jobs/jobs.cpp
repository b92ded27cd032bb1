// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/jobs.h"

#include "foundation/base/strings.h"
#include "frontend/jobs/dispatcher.h"
#include "frontend/jobs/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 50ms;
constexpr std::size_t kHistoryMost = 10'000;
constexpr std::size_t kPiece = 64 * 1024;

/// "id": entry
std::string named_entry(const JobRecord& record) {
  return to_json(Json{record.prompt_id}) + ": " + history_entry(record);
}

/// A list of jobs with the text around it, as much of it as is not sent yet.
struct Listing {
  std::string before = {};
  std::vector<std::string> ids = {};
  std::string after = {};
  std::size_t done = 0;    ///< of the ids
  bool has_items = false;  ///< one was written, so that the next one needs a comma
};

/// The next piece of the listings, which are gone through in turn by `at`; nothing at the end.
template <class Write>
std::optional<std::string> next_piece(std::vector<Listing>& listings, std::size_t& at,
                                      const JobStore& store, Write write) {
  if (at == listings.size()) return {};
  std::string piece;
  while (at < listings.size() && piece.size() < kPiece) {
    Listing& list = listings[at];
    piece += std::exchange(list.before, {});
    for (; list.done < list.ids.size() && piece.size() < kPiece; ++list.done) {
      const std::optional<JobRecord> record = store.find(list.ids[list.done]);
      const std::string text = record ? write(*record) : std::string{};
      if (text.empty()) continue;
      if (std::exchange(list.has_items, true)) piece += ", ";
      piece += text;
    }
    if (list.done < list.ids.size()) break;
    piece += list.after;
    ++at;
  }
  return piece;
}

std::string whole(const Jobs::Pieces& pieces) {
  std::string text;
  while (std::optional<std::string> piece = pieces()) text += *piece;
  return text;
}

std::vector<State> states_of(const std::vector<std::string>& names) {
  std::vector<State> states;
  for (const std::string& name : names)
    for (const State state : {State::queued, State::running, State::succeeded, State::failed,
                              State::cancelled, State::expired})
      if (api_name(state) == name) states.push_back(state);
  return states;
}

Done<std::vector<CancelResult>> and_nothing(Done<Nothing> done) {
  return [done = std::move(done)](const Answer<std::vector<CancelResult>>& answer) {
    if (!answer.succeeded()) return done(answer.error());
    done(Nothing{});
  };
}

bool may_see(const Caller& caller, const JobRecord& record) {
  return caller.user.empty() || caller.user == record.owner;
}

}  // namespace

class Jobs::Impl {
 public:
  Impl(const Services& given, const JobsOptions& options)
      : services{given}, dispatcher{given, options} {}
  ~Impl() { end_timer(); }

  void start_timer() {
    timer = std::thread{[this] {
      std::unique_lock lock{mutex};
      while (!wake.wait_for(lock, kTick, [this] { return ending; })) {
        lock.unlock();
        dispatcher.tick();
        lock.lock();
      }
    }};
  }

  void end_timer() {
    {
      const std::lock_guard lock{mutex};
      ending = true;
    }
    wake.notify_all();
    if (timer.joinable()) timer.join();
  }

  Services services;
  Dispatcher dispatcher;
  std::mutex mutex;
  std::condition_variable wake;
  bool ending = false;
  std::thread timer;
};

Jobs::Jobs(Services services, JobsOptions options)
    : impl_{std::make_unique<Impl>(services, options)} {}
Jobs::~Jobs() = default;

void Jobs::start(Timer timer) {
  impl_->dispatcher.start();
  if (timer == Timer::own) impl_->start_timer();
}

void Jobs::stop(std::chrono::milliseconds drain) {
  impl_->dispatcher.stop(drain);
  impl_->end_timer();
}

void Jobs::hurry() { impl_->dispatcher.hurry(); }

void Jobs::tick() { impl_->dispatcher.tick(); }

void Jobs::accept(Submission submission, Done<Accepted> done) {
  impl_->dispatcher.accept(std::move(submission), std::move(done));
}

void Jobs::cancel(const Caller& caller, std::vector<std::string> ids,
                  Done<std::vector<Cancelled>> done) {
  impl_->dispatcher.cancel(
      {.owner = caller.user, .ids = std::move(ids)},
      [done = std::move(done)](const Answer<std::vector<CancelResult>>& answer) {
        if (!answer.succeeded()) return done(answer.error());
        std::vector<Cancelled> cancelled;
        for (const CancelResult& result : answer.get())
          cancelled.push_back({.prompt_id = result.prompt_id,
                               .state = result.found ? std::string{api_name(result.after)} : "",
                               .changed = result.found && !is_terminal(result.before)});
        done(std::move(cancelled));
      });
}

void Jobs::interrupt(const Caller& caller, std::optional<std::string> prompt_id,
                     Done<Nothing> done) {
  JobStore::CancelRequest request{.owner = caller.user,
                                  .scope = JobStore::CancelRequest::Scope::running};
  if (prompt_id) {
    request.ids = {*std::move(prompt_id)};
  } else {
    request.ids = impl_->dispatcher.running_of(caller.user);
  }
  impl_->dispatcher.cancel(std::move(request), and_nothing(std::move(done)));
}

void Jobs::delete_queued(const Caller& caller, std::vector<std::string> ids, Done<Nothing> done) {
  impl_->dispatcher.cancel({.owner = caller.user,
                            .ids = std::move(ids),
                            .scope = JobStore::CancelRequest::Scope::queued},
                           and_nothing(std::move(done)));
}

void Jobs::clear_queue(const Caller& caller, Done<Nothing> done) {
  impl_->dispatcher.cancel(
      {.owner = caller.user, .all_queued = true, .scope = JobStore::CancelRequest::Scope::queued},
      and_nothing(std::move(done)));
}

void Jobs::delete_history(const Caller& caller, std::vector<std::string> ids, Done<Nothing> done) {
  impl_->services.store.forget(caller.user, std::move(ids), std::move(done));
}

void Jobs::clear_history(const Caller& caller, Done<Nothing> done) {
  impl_->services.store.forget(caller.user, {}, std::move(done));
}

std::optional<link::Verdict> Jobs::ask_validator(link::Question question) {
  return impl_->dispatcher.ask_validator(std::move(question));
}

void Jobs::free(Free what) { impl_->dispatcher.free(what); }
void Jobs::pause() { impl_->dispatcher.set_paused(true); }
void Jobs::resume() { impl_->dispatcher.set_paused(false); }
Counts Jobs::counts() const { return impl_->dispatcher.counts(); }

std::size_t Jobs::unplaced() const { return impl_->dispatcher.unplaced(); }
std::vector<WorkerView> Jobs::workers() const { return impl_->dispatcher.workers(); }

std::vector<TextEvent> Jobs::catch_up(const std::string& client_id,
                                      std::optional<std::uint64_t> since) const {
  return impl_->dispatcher.catch_up(client_id, since);
}

Jobs::Pieces Jobs::queue_pieces(const Caller& caller) const {
  return [&store = std::as_const(impl_->services.store), owner = caller.user,
          steps = std::optional<std::vector<Listing>>{}, at = std::size_t{0}]() mutable {
    if (!steps) {
      QueueIds ids = store.queue_ids(owner);
      steps.emplace();
      steps->push_back({R"({"queue_running": [)", std::move(ids.running), "], "});
      steps->push_back({R"("queue_pending": [)", std::move(ids.queued), "]}"});
    }
    return next_piece(*steps, at, store, [](const JobRecord& record) {
      // What has ended since is neither here nor there.
      return is_terminal(record.state) ? std::string{} : queue_item(record);
    });
  };
}

std::string Jobs::queue(const Caller& caller) const { return whole(queue_pieces(caller)); }

Jobs::Pieces Jobs::history_pieces(const Caller& caller, std::optional<std::int64_t> max_items,
                                  std::int64_t offset) const {
  HistoryPage page{.owner = caller.user, .limit = kHistoryMost};
  if (max_items) {
    page.limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(*max_items, 0, static_cast<std::int64_t>(kHistoryMost)));
  }
  if (offset >= 0) {
    page.from_newest = false;
    page.offset = static_cast<std::size_t>(offset);
  }
  return [&store = std::as_const(impl_->services.store), page,
          steps = std::optional<std::vector<Listing>>{}, at = std::size_t{0}]() mutable {
    if (!steps) {
      steps.emplace();
      steps->push_back({"{", store.history_ids(page), "}"});
    }
    return next_piece(*steps, at, store, [](const JobRecord& record) {
      return record.status.empty() ? std::string{} : named_entry(record);
    });
  };
}

std::string Jobs::history(const Caller& caller, std::optional<std::int64_t> max_items,
                          std::int64_t offset) const {
  return whole(history_pieces(caller, max_items, offset));
}

std::string Jobs::history_of(const Caller& caller, std::string_view prompt_id) const {
  const std::optional<JobRecord> record = impl_->services.store.find(prompt_id);
  if (!record || !may_see(caller, *record) || record->status.empty()) return "{}";
  return "{" + named_entry(*record) + "}";
}

std::string Jobs::list(const Caller& caller, const JobQuery& query) const {
  JobPage page{.owner = caller.user,
               .states = states_of(query.states),
               .workflow_id = query.workflow_id,
               .by_duration = query.sort == JobQuery::Sort::execution_duration,
               .ascending = query.ascending,
               .limit = query.limit,
               .offset = query.offset};
  std::vector<std::string> rows;
  for (const JobRecord& record : impl_->services.store.list(page))
    rows.push_back(job_view(record, Detail::row));
  const std::size_t total = impl_->services.store.count(page);
  const bool has_more = query.offset + rows.size() < total;
  // The editor wants a number for the limit even where the request named none.
  const std::size_t limit = query.limit == 0 ? total : query.limit;
  return fmt::format(
      R"({{"jobs": [{}], "pagination": {{"offset": {}, "limit": {}, "total": {}, "has_more": {}}}}})",
      join(rows, ", "), query.offset, limit, total, has_more);
}

std::optional<std::string> Jobs::job(const Caller& caller, std::string_view prompt_id) const {
  const std::optional<JobRecord> record = impl_->services.store.find(prompt_id);
  if (!record || !may_see(caller, *record)) return {};
  std::optional<std::string> reason;
  if (record->state == State::queued)
    reason = impl_->dispatcher.why_unplaced(std::string{prompt_id});
  return job_view(*record, Detail::full, reason);
}

}  // namespace comfy::jobs
