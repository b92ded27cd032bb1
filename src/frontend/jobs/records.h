// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/link/bodies.h"
#include "frontend/jobs/jobs.h"
#include "frontend/jobs/store.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::jobs {

/// The largest prompt with its extra data: what fits into the message that carries it to a worker.
inline constexpr std::size_t kMaxPromptBytes = (16U << 20) - (64U << 10);

/// Checks a submission and writes it as the store keeps it: secrets apart, hash over what came.
/// Throws Error(invalid_input) or Error(too_large).
NewJob to_new_job(Submission submission, Random& random, WallTime now);

/// Takes the secrets (keys and tokens) out of extra_data; an object, perhaps empty.
Json::Object take_secrets(Json& extra_data);

/// [number, id, prompt, extra_data, outputs_to_execute] as JSON text.
std::string queue_item(const JobRecord& record);
/// {"prompt": ..., "outputs": ..., "status": ..., "meta": ...} as JSON text.
std::string history_entry(const JobRecord& record);
/// A job as GET /api/jobs shows it; `full` adds what GET /api/jobs/{id} shows. `unplaced`: what is
/// missing when no worker can run a waiting job.
enum class Detail { row, full };
std::string job_view(const JobRecord& record, Detail detail,
                     const std::optional<std::string>& unplaced = {});

/// How many files a prompt made, and the one to show for it (an object, or null).
struct OutputSummary {
  std::int64_t count = 0;
  Json preview = {};
};
OutputSummary summarize(const Json& outputs);

/// What history keeps of an ended attempt. `started` and `ended` are the worker's.
Outcome to_outcome(const link::Finish& finish);

/// {"status_str", "completed", "messages"} as JSON text.
std::string status_text(bool success, const Json::Array& messages);
/// Data of the message that tells of a cancelled or a failed end nobody reported.
Json interrupted_data(const std::string& prompt_id, WallTime at);
Json worker_lost_data(const std::string& prompt_id, const std::string& node_id,
                      std::string_view message, WallTime at);

/// {"type": ..., "data": ...} as a WebSocket text.
std::string socket_text(std::string_view type, const Json& data);

}  // namespace comfy::jobs
