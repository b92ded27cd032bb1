// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/ledger.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace comfy::attempts {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = ".comfy";

fs::path file_of(const fs::path& root, const std::string& prompt_id) {
  return root / kFolder / (prompt_id + ".jsonl");
}

[[noreturn]] void fail(const fs::path& file) {
  const std::error_code code{errno, std::system_category()};
  throw Error(Error::Kind::unavailable,
              fmt::format("\"{}\" must be writable: {}", file.filename().string(), code.message()),
              code.value() == ENOSPC ? "disk_full" : "");
}

}  // namespace

Ledger::Ledger(const fs::path& root, const std::string& prompt_id)
    : file_{file_of(root, prompt_id)} {
  std::ifstream input{file_, std::ios::binary};
  std::string line;
  while (std::getline(input, line) && !input.eof()) {
    try {
      const Json entry = parse_json(line);
      note(entry.at("key").as_string(), entry.at("path").as_string(),
           entry.at("sha256").as_string());
    } catch (const Error&) {
      // A line that was cut off by a crash; the file it would name never appeared.
    }
  }
}

const Ledger::Entry* Ledger::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void Ledger::note(const std::string& key, const std::string& path, const std::string& digest) {
  Entry& entry = entries_[key];
  if (entry.path != path) entry = {.path = path, .digests = {}};
  entry.digests.push_back(digest);
}

void Ledger::add(const std::string& key, const std::string& path, const std::string& digest) {
  if (!open_) {
    std::error_code failure;
    fs::create_directories(file_.parent_path(), failure);
    open_.reset(open(file_.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600));
    if (!open_) fail(file_);
    // A line that was cut off must not run into the next one.
    if (lseek(open_.get(), 0, SEEK_END) > 0 && write(open_.get(), "\n", 1) != 1) fail(file_);
  }
  const std::string line =
      to_compact_json(Json::Object{{"key", key}, {"path", path}, {"sha256", digest}}) + "\n";
  if (write(open_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      fdatasync(open_.get()) != 0)
    fail(file_);
  note(key, path, digest);
}

void Ledger::remove(const fs::path& root, const std::string& prompt_id) {
  std::error_code ignored;
  fs::remove(file_of(root, prompt_id), ignored);
}

void Ledger::sweep(const fs::path& root, std::chrono::hours age) {
  std::error_code failure;
  const auto oldest = fs::file_time_type::clock::now() - age;
  for (const fs::directory_entry& entry : fs::directory_iterator{root / kFolder, failure}) {
    std::error_code ignored;
    if (entry.path().extension() == ".jsonl" && entry.last_write_time(ignored) < oldest)
      fs::remove(entry.path(), ignored);
  }
}

}  // namespace comfy::attempts
