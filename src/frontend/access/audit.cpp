// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/audit.h"

#include "foundation/base/error.h"
#include "frontend/access/log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace comfy::access {
namespace {

/// "2026-01-31T12:00:00.123Z"
std::string iso_time(std::chrono::milliseconds since_1970) {
  const std::time_t seconds = since_1970.count() / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", parts, since_1970.count() % 1000);
}

}  // namespace

Audit::Audit(std::filesystem::path file, const Clock& clock)
    : path_{std::move(file)}, clock_{clock} {
  reopen();
}

void Audit::reopen() {
  if (path_.empty()) return;
  FileDescriptor fresh{::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)};
  if (!fresh) {
    throw Error{Error::Kind::unavailable, fmt::format("--audit-log {} could not be opened: {}",
                                                      path_.string(), std::strerror(errno))};
  }
  const std::lock_guard lock{mutex_};
  file_ = std::move(fresh);
}

void Audit::record(std::string_view event, Json::Object fields) {
  const std::lock_guard lock{mutex_};
  if (!lines_.pass(clock_.monotonic())) {
    ++left_out_;
    return;
  }
  Json::Object line{{"time", iso_time(clock_.wall())}, {"event", event}};
  for (auto& [name, value] : fields) line[name] = std::move(value);
  if (left_out_ > 0) line["left_out"] = std::exchange(left_out_, 0);
  const std::string text = to_json(line) + "\n";
  if (!file_) {
    log.info("audit {}", std::string_view{text}.substr(0, text.size() - 1));
    return;
  }
  // One write: lines of several threads do not mix. A full disk must not stop the server.
  const ssize_t written = ::write(file_.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) ++left_out_;
}

}  // namespace comfy::access
