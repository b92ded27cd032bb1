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

namespace comfy::jobs {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 50ms;
constexpr std::size_t kHistoryMost = 10'000;

/// {id: entry, ...}
std::string history_text(const std::vector<JobRecord>& records) {
  std::string text = "{";
  for (const JobRecord& record : records) {
    if (text.size() > 1) text += ", ";
    text += to_json(Json{record.prompt_id}) + ": " + history_entry(record);
  }
  return text + "}";
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
std::vector<WorkerView> Jobs::workers() const { return impl_->dispatcher.workers(); }

std::vector<TextEvent> Jobs::catch_up(const std::string& client_id,
                                      std::optional<std::uint64_t> since) const {
  return impl_->dispatcher.catch_up(client_id, since);
}

std::string Jobs::queue(const Caller& caller) const {
  std::vector<std::string> running;
  std::vector<std::string> pending;
  for (const JobRecord& record : impl_->services.store.queue_records(caller.user))
    (record.state == State::running ? running : pending).push_back(queue_item(record));
  return fmt::format(R"({{"queue_running": [{}], "queue_pending": [{}]}})", join(running, ", "),
                     join(pending, ", "));
}

std::string Jobs::history(const Caller& caller, std::optional<std::int64_t> max_items,
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
  return history_text(impl_->services.store.history(page));
}

std::string Jobs::history_of(const Caller& caller, std::string_view prompt_id) const {
  const std::optional<JobRecord> record = impl_->services.store.find(prompt_id);
  if (!record || !may_see(caller, *record) || record->status.empty()) return "{}";
  return history_text({*record});
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
  return job_view(*record, Detail::full);
}

}  // namespace comfy::jobs
