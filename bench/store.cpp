// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the store's promise costs: a prompt of 50 nodes accepted durably, claimed and finished, one
// call after the other, and prompts that arrive 16 at a time and share a sync. The baseline, taken
// in turns with it, is the disk itself: 4 KiB appended to a file of the same folder, and fdatasync.
// TIMES is the number of prompts, FOLDER where the store lies (default: here, as /tmp may be
// memory).
#include "bench/result.h"
#include "foundation/base/file_descriptor.h"
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/jobs/sqlite/store_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <system_error>

namespace comfy::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kTogether = 16;

double milliseconds(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

std::string graph_of_50_nodes() {
  Json::Object nodes;
  for (int i = 1; i <= 50; ++i)
    nodes[std::to_string(i)] =
        Json::Object{{"class_type", "ImageInvert"},
                     {"inputs", Json::Object{{"image", Json::Array{std::to_string(i - 1), 0}}}}};
  return to_compact_json(Json{std::move(nodes)});
}

jobs::NewJob new_job(const std::string& id) {
  static const std::string kGraph = graph_of_50_nodes();
  jobs::NewJob made = jobs::job(id);
  made.prompt = kGraph;
  return made;
}

/// Appends 4 KiB to a file of its own and waits until they are on the disk.
class BareDisk {
 public:
  explicit BareDisk(const fs::path& file)
      : file_{::open(file.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600)} {}
  void keep() {
    if (::write(file_.get(), page_.data(), page_.size()) < 0 || ::fdatasync(file_.get()) != 0)
      throw std::system_error(errno, std::generic_category(), "the disk");
  }

 private:
  FileDescriptor file_;
  std::string page_ = std::string(4096, 'x');
};

void print(const char* name, std::vector<double> values, const std::vector<double>& baseline) {
  const double ratio = median(values) / median(baseline);
  std::sort(values.begin(), values.end());
  print_result("store", name, "ms", values,
               Json::Object{{"p99", values[values.size() * 99 / 100]},
                            {"baseline", "4 KiB and fdatasync"},
                            {"baseline_value", median(baseline)},
                            {"ratio", ratio}});
}

void one_after_the_other(jobs::JobStore& store, BareDisk& disk, int times) {
  std::vector<double> bare, accepted, claimed, finished;
  for (int i = 0; i < times; ++i) {
    const std::string id = fmt::format("single-{}", i);
    bare.push_back(milliseconds([&] { disk.keep(); }));
    accepted.push_back(milliseconds([&] { jobs::accept(store, new_job(id)).get(); }));
    claimed.push_back(milliseconds([&] { jobs::claim(store, id, "token of " + id); }));
    finished.push_back(milliseconds([&] { jobs::finish(store, id, 1, "token of " + id); }));
  }
  print("accept", accepted, bare);
  print("claim", claimed, bare);
  print("finish", finished, bare);
}

void many_at_once(jobs::JobStore& store, BareDisk& disk, int times) {
  std::vector<double> bare, each;
  for (int i = 0; i < times / kTogether; ++i) {
    bare.push_back(milliseconds([&] { disk.keep(); }));
    const double all = milliseconds([&] {
      std::vector<std::promise<void>> done(kTogether);
      for (int k = 0; k < kTogether; ++k)
        store.accept(new_job(fmt::format("many-{}-{}", i, k)),
                     [&done, k](const jobs::Answer<jobs::AcceptedJob>&) { done[k].set_value(); });
      for (auto& promise : done) promise.get_future().get();
    });
    each.push_back(all / kTogether);
  }
  print("accept_16_together_each", each, bare);
}

}  // namespace
}  // namespace comfy::bench

int main() {
  using namespace comfy;
  const char* named = std::getenv("FOLDER");
  const bench::fs::path folder = bench::fs::path(named != nullptr ? named : "/var/tmp") /
                                 fmt::format("bench-store-{}", ::getpid());
  bench::fs::create_directories(folder);
  {
    const auto store = jobs::open_sqlite_store({.file = folder / "jobs.db"}, system_random());
    bench::BareDisk disk{folder / "bare"};
    const int times = static_cast<int>(bench::setting("TIMES", 1000));
    bench::one_after_the_other(*store, disk, times);
    bench::many_at_once(*store, disk, times);
  }
  bench::fs::remove_all(folder);
}
