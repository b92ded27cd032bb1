// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/changes.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/base/strings.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace comfy::jobs {
namespace {

constexpr std::chrono::hours kIdempotencyKept{24};
constexpr int kTidyBatch = 200;
constexpr int kForgetBatch = 500;

std::int64_t ms(WallTime time) { return time.count(); }

std::optional<std::int64_t> ms(const std::optional<WallTime>& time) {
  if (!time) return {};
  return time->count();
}

/// Draws the next number of a counter that survives restarts.
std::int64_t draw(Database& database, std::string_view name) {
  Statement read = database.prepare("SELECT value FROM setting WHERE name = ?");
  read.bind(name);
  const std::int64_t value = read.step() ? std::stoll(read.text(0)) : 0;
  database.prepare("UPDATE setting SET value = ? WHERE name = ?")
      .bind(std::to_string(value + 1))
      .bind(name)
      .run();
  return value;
}

constexpr std::string_view kQueuedColumns =
    "SELECT prompt_id, owner, class, number, sequence, client_id, expires FROM job ";

QueuedJob read_queued(const Statement& row) {
  QueuedJob job{.prompt_id = row.text(0),
                .owner = row.text(1),
                .job_class = static_cast<Class>(row.integer(2)),
                .number = row.real(3),
                .sequence = row.integer(4),
                .client_id = row.text(5)};
  if (!row.is_null(6)) job.expires = WallTime{row.integer(6)};
  return job;
}

QueuedJob queued_job(Database& database, const std::string& prompt_id) {
  Statement row = database.prepare(fmt::format("{}WHERE prompt_id = ?", kQueuedColumns));
  row.bind(prompt_id).step();
  return read_queued(row);
}

/// The job that was accepted before under this id or key, or nothing. Throws Error(conflict) when
/// that was another body or another user's.
std::optional<AcceptedJob> accepted_before(Database& database, const NewJob& job) {
  std::string id = job.prompt_id;
  if (!job.idempotency_key.empty()) {
    Statement row =
        database.prepare("SELECT prompt_id FROM idempotency WHERE owner = ? AND key = ?");
    if (row.bind(job.owner).bind(job.idempotency_key).step()) id = row.text(0);
  }
  Statement row = database.prepare(
      "SELECT owner, body_hash, number_text, node_errors FROM job WHERE prompt_id = ?");
  if (!row.bind(id).step()) return {};
  if (row.text(0) != job.owner)
    throw Error(Error::Kind::conflict, "this prompt_id is taken", "prompt_id_conflict");
  if (row.text(1) != job.body_hash)
    throw Error(Error::Kind::conflict,
                fmt::format("prompt \"{}\" was accepted before with another content", id),
                "prompt_id_conflict");
  AcceptedJob accepted{.number = row.text(2), .node_errors = row.text(3), .repeated = true};
  accepted.job = queued_job(database, id);
  return accepted;
}

struct Number {
  double value = 0;
  std::string text = {};
};

Number number_of(Database& database, const NewJob& job) {
  if (job.number) return {*job.number, to_json(*job.number)};
  const std::int64_t drawn = draw(database, "next_number");
  const std::int64_t number = job.front ? -drawn : drawn;
  return {static_cast<double>(number), std::to_string(number)};
}

/// Writes down how a job ended. Its secrets go, and it takes its place in history.
void end_job(Database& database, const std::string& prompt_id, State state, WallTime at) {
  database
      .prepare(
          "UPDATE job SET state = ?, ended = ?, finish_order = ?, attempt_token = NULL,"
          " in_history = (status <> ''), bytes = bytes + length(outputs) + length(status)"
          " + length(meta) + length(error) WHERE prompt_id = ?")
      .bind(state_name(state))
      .bind(ms(at))
      .bind(draw(database, "next_finish"))
      .bind(prompt_id)
      .run();
  database.prepare("DELETE FROM secret WHERE prompt_id = ?").bind(prompt_id).run();
}

void close_attempt(Database& database, const std::string& token, std::string_view result,
                   WallTime at) {
  database.prepare("UPDATE attempt SET ended = ?, result = ? WHERE token = ?")
      .bind(ms(at))
      .bind(result)
      .bind(token)
      .run();
}

/// True when this attempt holds the job.
bool holds(Database& database, const std::string& prompt_id, int attempt,
           const std::string& token) {
  Statement row = database.prepare(
      "SELECT 1 FROM job WHERE prompt_id = ? AND state = 'running' AND attempts = ?"
      " AND attempt_token = ?");
  return row.bind(prompt_id).bind(attempt).bind(token).step();
}

bool cancel_was_asked(Database& database, const std::string& prompt_id) {
  Statement row = database.prepare("SELECT cancel_requested FROM job WHERE prompt_id = ?");
  return row.bind(prompt_id).step() && row.integer(0) != 0;
}

/// "attempt 1 on worker-0 (10:00:01 to 10:00:05): signal 11 (SIGSEGV); ..."
std::string describe_attempts(Database& database, const std::string& prompt_id) {
  Statement row = database.prepare(
      "SELECT number, worker, started, ended, result FROM attempt WHERE prompt_id = ? AND counted "
      "= 1"
      " ORDER BY number");
  row.bind(prompt_id);
  std::vector<std::string> lines;
  while (row.step()) {
    const auto time = [&](int column) {
      return fmt::format("{:%H:%M:%S}",
                         fmt::gmtime(static_cast<std::time_t>(row.integer(column) / 1000)));
    };
    lines.push_back(fmt::format("attempt {} on {} ({} to {} UTC): {}", row.integer(0), row.text(1),
                                time(2), time(3), row.text(4)));
  }
  return join(lines, "; ");
}

/// A text inside a JSON text: quotes and the like escaped.
std::string inside_json(const std::string& text) {
  const std::string quoted = to_json(Json{text});
  return quoted.substr(1, quoted.size() - 2);
}

void fail_spent(Database& database, const LostAttempt& attempt, const std::string& attempts) {
  const std::string listed = inside_json(attempts);
  database
      .prepare(
          "UPDATE job SET status = ?, error = ?, outputs = '{}', meta = '{}' WHERE prompt_id = ?")
      .bind(replace_all(attempt.failed_status, "%ATTEMPTS%", listed))
      .bind(replace_all(attempt.failed_error, "%ATTEMPTS%", listed))
      .bind(attempt.prompt_id)
      .run();
  end_job(database, attempt.prompt_id, State::failed, attempt.at);
}

void add_events(Database& database, const Outcome& outcome, const std::string& status) {
  const Json record = parse_json(status);
  std::int64_t seq = 0;
  for (const Json& message : record.at("messages").as_array())
    database.prepare("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?)")
        .bind(outcome.prompt_id)
        .bind(++seq)
        .bind(outcome.attempt)
        .bind(message.as_array().at(0).as_string())
        .bind(to_json(message.as_array().at(1)))
        .run();
}

CancelResult cancel_one(Database& database, const std::string& prompt_id,
                        const JobStore::CancelRequest& request) {
  CancelResult result{.prompt_id = prompt_id};
  {
    Statement row = database.prepare("SELECT state, owner FROM job WHERE prompt_id = ?");
    if (!row.bind(prompt_id).step()) return result;
    if (!request.owner.empty() && row.text(1) != request.owner) return result;
    result.before = state_of(row.text(0));
  }
  result.found = true;
  result.after = result.before;
  using Scope = JobStore::CancelRequest::Scope;
  if (result.before == State::queued && request.scope != Scope::running) {
    result.after = State::cancelled;
    end_job(database, prompt_id, State::cancelled, request.at);
  } else if (result.before == State::running && request.scope != Scope::queued) {
    database.prepare("UPDATE job SET cancel_requested = 1 WHERE prompt_id = ?")
        .bind(prompt_id)
        .run();
  }
  return result;
}

}  // namespace

State state_of(const std::string& name) {
  for (const State state : {State::queued, State::running, State::succeeded, State::failed,
                            State::cancelled, State::expired})
    if (state_name(state) == name) return state;
  throw Error(Error::Kind::internal, fmt::format("the store holds the unknown state \"{}\"", name));
}

AcceptedJob accept_job(Database& database, const NewJob& job, const std::string& store_id) {
  if (auto before = accepted_before(database, job)) return *std::move(before);
  if (job.refusal) throw Error{*job.refusal};
  const Number number = number_of(database, job);
  database
      .prepare(
          "INSERT INTO job (prompt_id, owner, state, class, number, number_text, store_id, created,"
          " expires, bytes, client_id, workflow_id, body_hash, node_errors, outputs_to_execute,"
          " extra_data, prompt) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .bind(job.prompt_id)
      .bind(job.owner)
      .bind(static_cast<int>(job.job_class))
      .bind(number.value)
      .bind(number.text)
      .bind(store_id)
      .bind(ms(job.created))
      .bind(ms(job.expires))
      .bind(static_cast<std::int64_t>(job.prompt.size() + job.extra_data.size()))
      .bind(job.client_id)
      .bind(job.workflow_id)
      .bind(job.body_hash)
      .bind(job.node_errors)
      .bind(job.outputs_to_execute)
      .bind(job.extra_data)
      .bind(job.prompt)
      .run();
  if (!job.secrets.empty())
    database.prepare("INSERT INTO secret VALUES (?, ?)")
        .bind(job.prompt_id)
        .bind(job.secrets)
        .run();
  if (!job.idempotency_key.empty())
    database.prepare("INSERT INTO idempotency VALUES (?, ?, ?, ?)")
        .bind(job.owner)
        .bind(job.idempotency_key)
        .bind(job.prompt_id)
        .bind(ms(job.created))
        .run();
  return {.job = queued_job(database, job.prompt_id),
          .number = number.text,
          .node_errors = job.node_errors};
}

std::optional<Claimed> claim_job(Database& database, const ClaimRequest& request,
                                 const std::string& store_id) {
  database
      .prepare(
          "UPDATE job SET state = 'running', attempts = attempts + 1, attempt_token = ?,"
          " started = ? WHERE prompt_id = ? AND state = 'queued' AND attempts < ?"
          " AND cancel_requested = 0 AND (expires IS NULL OR expires > ?)")
      .bind(request.token)
      .bind(ms(request.at))
      .bind(request.prompt_id)
      .bind(request.max_attempts)
      .bind(ms(request.at))
      .run();
  if (database.changes() == 0) return {};
  Statement row = database.prepare(
      "SELECT attempts, owner, client_id, prompt, extra_data, outputs_to_execute,"
      " (SELECT data FROM secret WHERE secret.prompt_id = job.prompt_id)"
      " FROM job WHERE prompt_id = ?");
  row.bind(request.prompt_id).step();
  Claimed claimed{.prompt_id = request.prompt_id,
                  .attempt = static_cast<int>(row.integer(0)),
                  .owner = row.text(1),
                  .client_id = row.text(2),
                  .prompt = row.text(3),
                  .extra_data = row.text(4),
                  .secrets = row.text(6),
                  .outputs_to_execute = row.text(5)};
  database
      .prepare(
          "INSERT INTO attempt (prompt_id, number, token, worker, store_id, started)"
          " VALUES (?, ?, ?, ?, ?, ?)")
      .bind(request.prompt_id)
      .bind(claimed.attempt)
      .bind(request.token)
      .bind(request.worker)
      .bind(store_id)
      .bind(ms(request.at))
      .run();
  return claimed;
}

FinishResult finish_job(Database& database, const Outcome& outcome) {
  if (!holds(database, outcome.prompt_id, outcome.attempt, outcome.token)) {
    Statement row = database.prepare("SELECT state FROM job WHERE prompt_id = ?");
    const bool known = row.bind(outcome.prompt_id).step();
    return {.stored = false, .state = known ? state_of(row.text(0)) : State::cancelled};
  }
  // A flag that was stored before this result wins over it; a failure stays one.
  const bool cancelled =
      outcome.state == State::cancelled ||
      (outcome.state == State::succeeded && cancel_was_asked(database, outcome.prompt_id));
  const State state = cancelled ? State::cancelled : outcome.state;
  const std::string& status =
      cancelled && outcome.state != State::cancelled ? outcome.cancelled_status : outcome.status;
  database
      .prepare(
          "UPDATE job SET outputs = ?, meta = ?, status = ?, error = ?, outputs_count = ?,"
          " preview_output = ?, started = ? WHERE prompt_id = ?")
      .bind(outcome.outputs)
      .bind(outcome.meta)
      .bind(status)
      .bind(outcome.error)
      .bind(outcome.outputs_count)
      .bind(outcome.preview_output)
      .bind(ms(outcome.started))
      .bind(outcome.prompt_id)
      .run();
  add_events(database, outcome, status);
  close_attempt(database, outcome.token, state_name(state), outcome.ended);
  end_job(database, outcome.prompt_id, state, outcome.ended);
  return {.stored = true, .state = state};
}

LostResult lose_attempt(Database& database, const LostAttempt& attempt) {
  if (!holds(database, attempt.prompt_id, attempt.attempt, attempt.token)) return {};
  close_attempt(database, attempt.token, attempt.reason, attempt.at);
  LostResult result{.current = true};
  if (cancel_was_asked(database, attempt.prompt_id)) {
    result.state = State::cancelled;
    database.prepare("UPDATE job SET status = ?, outputs = '{}', meta = '{}' WHERE prompt_id = ?")
        .bind(attempt.cancelled_status)
        .bind(attempt.prompt_id)
        .run();
    end_job(database, attempt.prompt_id, State::cancelled, attempt.at);
    return result;
  }
  if (!attempt.counted) {
    // The number is free again; the row stays as a trace, under a number nobody counts.
    database.prepare("UPDATE attempt SET counted = 0 WHERE token = ?").bind(attempt.token).run();
  }
  result.attempts = describe_attempts(database, attempt.prompt_id);
  if (attempt.counted && attempt.attempt >= attempt.max_attempts) {
    result.state = State::failed;
    fail_spent(database, attempt, result.attempts);
    return result;
  }
  database
      .prepare(
          "UPDATE job SET state = 'queued', attempt_token = NULL, started = NULL,"
          " attempts = attempts - ? WHERE prompt_id = ?")
      .bind(attempt.counted ? 0 : 1)
      .bind(attempt.prompt_id)
      .run();
  result.state = State::queued;
  result.job = queued_job(database, attempt.prompt_id);
  return result;
}

std::vector<CancelResult> cancel_jobs(Database& database, const JobStore::CancelRequest& request) {
  std::vector<std::string> ids = request.ids;
  if (request.all_queued) {
    Statement row = database.prepare(
        "SELECT prompt_id FROM job WHERE state = 'queued' AND (?1 = '' OR owner = ?1)");
    row.bind(request.owner);
    ids.clear();
    while (row.step()) ids.push_back(row.text(0));
  }
  std::vector<CancelResult> results;
  for (const std::string& id : ids) results.push_back(cancel_one(database, id, request));
  return results;
}

std::vector<std::string> expire_jobs(Database& database, const std::vector<std::string>& ids,
                                     WallTime at) {
  std::vector<std::string> expired;
  for (const std::string& id : ids) {
    {
      Statement row = database.prepare(
          "SELECT 1 FROM job WHERE prompt_id = ? AND state = 'queued' AND expires <= ?");
      if (!row.bind(id).bind(ms(at)).step()) continue;
    }
    end_job(database, id, State::expired, at);
    expired.push_back(id);
  }
  return expired;
}

bool forget_jobs(Database& database, const std::string& owner,
                 const std::optional<std::vector<std::string>>& ids) {
  if (!ids) {
    // In batches, so that submissions need not wait for a long history to go.
    Statement all = database.prepare(
        owner.empty() ? "DELETE FROM job WHERE sequence IN (SELECT sequence FROM job"
                        " WHERE finish_order IS NOT NULL ORDER BY finish_order LIMIT ?1)"
                      : "DELETE FROM job WHERE sequence IN (SELECT sequence FROM job"
                        " WHERE owner = ?2 AND owner <> '' AND state IN"
                        " ('succeeded', 'failed', 'cancelled', 'expired') LIMIT ?1)");
    all.bind(kForgetBatch);
    if (!owner.empty()) all.bind(owner);
    all.run();
    return database.changes() == kForgetBatch;
  }
  for (const std::string& id : *ids)
    database
        .prepare(
            "DELETE FROM job WHERE prompt_id = ?1 AND finish_order IS NOT NULL"
            " AND (?2 = '' OR owner = ?2)")
        .bind(id)
        .bind(owner)
        .run();
  return false;
}

bool tidy_jobs(Database& database, const Retention& retention, WallTime at) {
  database.prepare("DELETE FROM idempotency WHERE created < ?")
      .bind(ms(at - kIdempotencyKept))
      .run();
  std::uint64_t jobs = 0;
  std::uint64_t bytes = 0;
  {
    Statement kept = database.prepare(
        "SELECT coalesce(sum(jobs), 0), coalesce(sum(bytes), 0) FROM tally"
        " WHERE state NOT IN ('queued', 'running')");
    kept.step();
    jobs = static_cast<std::uint64_t>(kept.integer(0));
    bytes = static_cast<std::uint64_t>(kept.integer(1));
  }
  const std::uint64_t surplus = jobs > retention.max_jobs ? jobs - retention.max_jobs : 0;
  if (surplus == 0 && bytes <= retention.max_bytes) return false;
  // By bytes one at a time would be slow and a whole batch may be too much: a small batch.
  const auto batch = surplus > 0 ? std::min<std::uint64_t>(surplus, kTidyBatch) : 1;
  database
      .prepare(
          "DELETE FROM job WHERE sequence IN (SELECT sequence FROM job"
          " WHERE finish_order IS NOT NULL ORDER BY finish_order LIMIT ?)")
      .bind(static_cast<std::int64_t>(batch))
      .run();
  return true;
}

}  // namespace comfy::jobs
