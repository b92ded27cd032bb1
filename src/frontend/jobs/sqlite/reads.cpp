// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/sqlite/reads.h"

#include "foundation/base/strings.h"
#include "frontend/jobs/sqlite/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace comfy::jobs {
namespace {

constexpr std::string_view kShort =
    "SELECT prompt_id, owner, state, number_text, created, started, ended, outputs_count,"
    " preview_output, workflow_id, error";
constexpr std::string_view kLong =
    ", prompt, extra_data, outputs_to_execute, outputs, meta, status";
constexpr std::int64_t kNoLimit = -1;

JobRecord read_short(const Statement& row) {
  JobRecord record{.prompt_id = row.text(0),
                   .owner = row.text(1),
                   .state = state_of(row.text(2)),
                   .number = row.text(3),
                   .error = row.text(10),
                   .preview_output = row.text(8),
                   .workflow_id = row.text(9),
                   .outputs_count = row.integer(7),
                   .created = WallTime{row.integer(4)}};
  if (!row.is_null(5)) record.started = WallTime{row.integer(5)};
  if (!row.is_null(6)) record.ended = WallTime{row.integer(6)};
  return record;
}

JobRecord read_long(const Statement& row) {
  JobRecord record = read_short(row);
  record.prompt = row.text(11);
  record.extra_data = row.text(12);
  record.outputs_to_execute = row.text(13);
  record.outputs = row.text(14);
  record.meta = row.text(15);
  record.status = row.text(16);
  return record;
}

std::vector<JobRecord> rows(Statement& statement, JobRecord (*read)(const Statement&)) {
  std::vector<JobRecord> records;
  while (statement.step()) records.push_back(read(statement));
  return records;
}

std::int64_t limit_of(std::size_t limit) {
  return limit == 0 ? kNoLimit : static_cast<std::int64_t>(limit);
}

/// The conditions of a page but for the states, each of which has an index in the order of the
/// page. Parameters: ?1 owner, ?2 workflow id.
std::string condition_of(const JobPage& page) {
  std::string condition;
  if (!page.owner.empty()) condition += " AND owner = ?1 AND owner <> ''";
  if (!page.workflow_id.empty()) condition += " AND workflow_id = ?2 AND workflow_id <> ''";
  return condition;
}

std::vector<State> states_of(const JobPage& page) {
  if (!page.states.empty()) return page.states;
  return {State::queued, State::running,   State::succeeded,
          State::failed, State::cancelled, State::expired};
}

/// "'queued', 'running'": state names come from our own table, so they may stand in the text.
std::string listed(const std::vector<State>& states) {
  std::vector<std::string> names;
  for (const State state : states) names.push_back(fmt::format("'{}'", state_name(state)));
  return join(names, ", ");
}

/// The rows of a page without its order. Where states, owners or durations decide, every state is
/// read for itself in the order of its index, and SQLite merges them: no page sorts or scans.
std::string rows_of(const JobPage& page) {
  const std::string columns =
      fmt::format("{}, sequence, ended - started AS duration FROM job", kShort);
  const std::string condition = condition_of(page);
  if (!page.workflow_id.empty())
    return fmt::format("{} WHERE state IN ({}){}", columns, listed(states_of(page)), condition);
  if (page.states.empty() && page.owner.empty() && !page.by_duration) return columns;
  std::vector<std::string> parts;
  for (const State state : states_of(page))
    parts.push_back(fmt::format("{} WHERE state = '{}'{}", columns, state_name(state), condition));
  return join(parts, " UNION ALL ");
}

}  // namespace

std::vector<QueuedJob> read_queued_jobs(Database& database) {
  Statement row = database.prepare(
      "SELECT prompt_id, owner, class, number, sequence, client_id, expires FROM job"
      " WHERE state = 'queued' ORDER BY class, number, sequence");
  std::vector<QueuedJob> jobs;
  while (row.step()) {
    jobs.push_back({.prompt_id = row.text(0),
                    .owner = row.text(1),
                    .job_class = static_cast<Class>(row.integer(2)),
                    .number = row.real(3),
                    .sequence = row.integer(4),
                    .client_id = row.text(5)});
    if (!row.is_null(6)) jobs.back().expires = WallTime{row.integer(6)};
  }
  return jobs;
}

std::vector<OpenAttempt> read_open_attempts(Database& database) {
  Statement row = database.prepare(
      "SELECT job.prompt_id, owner, class, job.number, sequence, client_id, attempts, "
      "attempt_token,"
      " worker, cancel_requested FROM job JOIN attempt ON attempt.token = job.attempt_token"
      " WHERE state = 'running'");
  std::vector<OpenAttempt> attempts;
  while (row.step())
    attempts.push_back({.job = {.prompt_id = row.text(0),
                                .owner = row.text(1),
                                .job_class = static_cast<Class>(row.integer(2)),
                                .number = row.real(3),
                                .sequence = row.integer(4),
                                .client_id = row.text(5)},
                        .attempt = static_cast<int>(row.integer(6)),
                        .token = row.text(7),
                        .worker = row.text(8),
                        .cancel_requested = row.integer(9) != 0});
  return attempts;
}

std::optional<JobRecord> read_job(Database& database, std::string_view prompt_id) {
  Statement row = database.prepare(fmt::format("{}{} FROM job WHERE prompt_id = ?", kShort, kLong));
  if (!row.bind(prompt_id).step()) return {};
  return read_long(row);
}

std::vector<JobRecord> read_list(Database& database, const JobPage& page) {
  const char* direction = page.ascending ? "ASC" : "DESC";
  Statement row = database.prepare(
      fmt::format("{0} ORDER BY {1} {2}, sequence {2} LIMIT ?3 OFFSET ?4", rows_of(page),
                  page.by_duration ? "duration" : "created", direction));
  row.bind(page.owner)
      .bind(page.workflow_id)
      .bind(limit_of(page.limit))
      .bind(static_cast<std::int64_t>(page.offset));
  return rows(row, read_short);
}

std::size_t read_count(Database& database, const JobPage& page) {
  // Counts are kept; only a workflow's own rows are counted when somebody asks.
  const std::string states = listed(states_of(page));
  Statement row = database.prepare(
      page.workflow_id.empty()
          ? fmt::format("SELECT coalesce(sum(jobs), 0) FROM tally WHERE state IN ({}){}", states,
                        page.owner.empty() ? "" : " AND owner = ?1")
          : fmt::format("SELECT count(*) FROM job WHERE state IN ({}){}", states,
                        condition_of(page)));
  row.bind(page.owner).bind(page.workflow_id).step();
  return static_cast<std::size_t>(row.integer(0));
}

QueueIds read_queue_ids(Database& database, const std::string& owner) {
  // One statement, so one moment: between two a job could start and be in neither list.
  constexpr const char* kState =
      "SELECT {} AS place, prompt_id, class, number, sequence FROM job WHERE state = '{}' AND "
      "(?1 = '' OR owner = ?1)";
  Statement row =
      database.prepare(fmt::format("{} UNION ALL {} ORDER BY place, class, number, sequence",
                                   fmt::format(kState, 0, state_name(State::running)),
                                   fmt::format(kState, 1, state_name(State::queued))));
  row.bind(owner);
  QueueIds ids;
  while (row.step()) (row.integer(0) == 0 ? ids.running : ids.queued).push_back(row.text(1));
  return ids;
}

std::vector<std::string> read_history_ids(Database& database, const HistoryPage& page) {
  Statement row =
      database.prepare(fmt::format("SELECT prompt_id FROM job WHERE in_history = 1{}"
                                   " ORDER BY finish_order {} LIMIT ?2 OFFSET ?3",
                                   page.owner.empty() ? "" : " AND owner = ?1 AND owner <> ''",
                                   page.from_newest ? "DESC" : "ASC"));
  row.bind(page.owner)
      .bind(static_cast<std::int64_t>(page.limit))
      .bind(page.from_newest ? 0 : static_cast<std::int64_t>(page.offset));
  std::vector<std::string> ids;
  while (row.step()) ids.push_back(row.text(0));
  if (page.from_newest) std::reverse(ids.begin(), ids.end());
  return ids;
}

}  // namespace comfy::jobs
