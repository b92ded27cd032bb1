// SPDX-License-Identifier: GPL-3.0-or-later
//
// F10: power is lost at every write. What was synced is on the disk; of what was not, each sector
// may be there or not. The store must open again, be sound, and hold all that was answered.
#include "foundation/base/random.h"
#include "frontend/jobs/sqlite/database.h"
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/jobs/sqlite/store_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace comfy::jobs {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSector = 512;

/// A write, or with `shorten` a new length, that was not synced yet.
struct Unsynced {
  std::size_t offset = 0;
  std::string bytes = {};
  bool shorten = false;
};

void apply(std::string& file, const Unsynced& write) {
  if (write.shorten) {
    file.resize(std::min(file.size(), write.offset));
    return;
  }
  if (file.size() < write.offset + write.bytes.size())
    file.resize(write.offset + write.bytes.size());
  file.replace(write.offset, write.bytes.size(), write.bytes);
}

struct DiskFile {
  std::string synced = {};
  std::vector<Unsynced> pending = {};

  /// What a disk may hold after the power came back.
  std::string after_power_loss(SeededRandom& random) const {
    std::string file = synced;
    const auto chance = random.next() % 3;  // nothing, some, or most of it was written
    for (const Unsynced& write : pending) {
      if (write.shorten) {
        if (random.next() % 2 == 0) apply(file, write);
        continue;
      }
      for (std::size_t at = 0; at < write.bytes.size(); at += kSector)
        if (random.next() % 4 < chance * 3 / 2)
          apply(file, {.offset = write.offset + at, .bytes = write.bytes.substr(at, kSector)});
    }
    return file;
  }
};

/// The disk as it may be after power was lost at one write, and what had been promised by then.
struct Image {
  std::map<std::string, std::string> files;
  std::set<std::string> accepted;
  std::set<std::string> ended;
};

/// Everything that SQLite does to files passes through here while it is the default.
class Disk {
 public:
  explicit Disk(std::uint64_t seed) : random_{seed} { use(this); }
  ~Disk() { use(nullptr); }

  void promise_accepted(const std::string& id) { note(promised_.accepted, id); }
  void promise_ended(const std::string& id) { note(promised_.ended, id); }

  std::vector<Image> images;

 private:
  struct File {
    sqlite3_file base;  // first: SQLite casts
    char* name;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };

  void note(std::set<std::string>& promises, const std::string& id) {
    const std::lock_guard lock{mutex_};
    promises.insert(id);
  }
  void write(const char* name, Unsynced what) {
    const std::lock_guard lock{mutex_};
    capture();
    files_[name].pending.push_back(std::move(what));
  }
  void sync(const char* name) {
    const std::lock_guard lock{mutex_};
    capture();
    DiskFile& file = files_[name];
    for (const Unsynced& one : file.pending) apply(file.synced, one);
    file.pending.clear();
  }
  void remove(const char* name) {
    const std::lock_guard lock{mutex_};
    files_.erase(name);
  }
  void capture() {
    Image image = promised_;
    for (const auto& [name, file] : files_)
      image.files[fs::path{name}.filename().string()] = file.after_power_loss(random_);
    images.push_back(std::move(image));
  }

  static void use(Disk* disk);
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out);
  static const sqlite3_io_methods* methods();
  static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
  static const sqlite3_io_methods& real(sqlite3_file* file) { return *of(file).real()->pMethods; }

  static inline Disk* current_ = nullptr;
  static inline sqlite3_vfs* system_ = nullptr;

  std::mutex mutex_;
  SeededRandom random_;
  std::map<std::string, DiskFile> files_;
  Image promised_;
};

void Disk::use(Disk* disk) {
  static sqlite3_vfs through;
  if (system_ == nullptr) {
    system_ = sqlite3_vfs_find(nullptr);
    through = *system_;
    through.zName = "power";
    through.szOsFile = static_cast<int>(sizeof(File)) + system_->szOsFile;
    through.xOpen = open;
    through.xDelete = [](sqlite3_vfs*, const char* name, int sync) {
      current_->remove(name);
      return system_->xDelete(system_, name, sync);
    };
  }
  current_ = disk;
  sqlite3_vfs_register(disk ? &through : system_, 1);
}

int Disk::open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  File& opened = of(file);
  opened.base.pMethods = nullptr;
  opened.name = nullptr;
  const int result = system_->xOpen(system_, name, opened.real(), flags, out);
  if (result != SQLITE_OK) return result;
  opened.name = strdup(name ? name : "");
  opened.base.pMethods = methods();
  return SQLITE_OK;
}

const sqlite3_io_methods* Disk::methods() {
  static const sqlite3_io_methods table{
      .iVersion = 2,
      .xClose =
          [](sqlite3_file* f) {
            free(of(f).name);
            return real(f).xClose(of(f).real());
          },
      .xRead = [](sqlite3_file* f, void* to, int size,
                  sqlite3_int64 at) { return real(f).xRead(of(f).real(), to, size, at); },
      .xWrite =
          [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
            current_->write(of(f).name, {.offset = static_cast<std::size_t>(at),
                                         .bytes = {static_cast<const char*>(from),
                                                   static_cast<std::size_t>(size)}});
            return real(f).xWrite(of(f).real(), from, size, at);
          },
      .xTruncate =
          [](sqlite3_file* f, sqlite3_int64 size) {
            current_->write(of(f).name,
                            {.offset = static_cast<std::size_t>(size), .shorten = true});
            return real(f).xTruncate(of(f).real(), size);
          },
      // The real disk is not waited for: the disk that is tested is ours.
      .xSync =
          [](sqlite3_file* f, int) {
            current_->sync(of(f).name);
            return SQLITE_OK;
          },
      .xFileSize = [](sqlite3_file* f,
                      sqlite3_int64* size) { return real(f).xFileSize(of(f).real(), size); },
      .xLock = [](sqlite3_file* f, int level) { return real(f).xLock(of(f).real(), level); },
      .xUnlock = [](sqlite3_file* f, int level) { return real(f).xUnlock(of(f).real(), level); },
      .xCheckReservedLock = [](sqlite3_file* f,
                               int* out) { return real(f).xCheckReservedLock(of(f).real(), out); },
      .xFileControl = [](sqlite3_file* f, int what,
                         void* with) { return real(f).xFileControl(of(f).real(), what, with); },
      .xSectorSize = [](sqlite3_file* f) { return real(f).xSectorSize(of(f).real()); },
      // Nothing is atomic and nothing is safe on this disk.
      .xDeviceCharacteristics = [](sqlite3_file*) { return 0; },
      .xShmMap =
          [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
            return real(f).xShmMap(of(f).real(), page, size, extend, out);
          },
      .xShmLock = [](sqlite3_file* f, int at, int n,
                     int flags) { return real(f).xShmLock(of(f).real(), at, n, flags); },
      .xShmBarrier = [](sqlite3_file* f) { real(f).xShmBarrier(of(f).real()); },
      .xShmUnmap = [](sqlite3_file* f,
                      int remove) { return real(f).xShmUnmap(of(f).real(), remove); },
      .xFetch = nullptr,
      .xUnfetch = nullptr};
  return &table;
}

class StorePower : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path fresh(const std::string& name) {
    fs::remove_all(folder_ / name);
    fs::create_directories(folder_ / name);
    return folder_ / name / "jobs.db";
  }

  /// A life of a store: prompts come, run, are cancelled; it is closed and opened again.
  void live(Disk& disk, int jobs) {
    const fs::path file = fresh("life");
    SeededRandom random{7};
    for (int part = 0; part < 2; ++part) {
      const auto store = open_sqlite_store({.file = file, .reserve_bytes = 0}, random);
      for (int i = 0; i < jobs; ++i) {
        const std::string id = fmt::format("p{}-{}", part, i);
        NewJob one = job(id);
        one.prompt = fmt::format(R"({{"1": "{}"}})", std::string(200 + 700 * (i % 3), 'x'));
        if (accept(*store, std::move(one)).succeeded()) disk.promise_accepted(id);
        if (i % 3 == 0) continue;
        if (i % 7 == 1) {
          cancel(*store, id);
          disk.promise_ended(id);
        } else if (claim(*store, id, id) && finish(*store, id, 1, id).stored) {
          disk.promise_ended(id);
        }
      }
    }
  }

  void check(const Image& image, std::size_t number) {
    const fs::path file = fresh("image");
    for (const auto& [name, bytes] : image.files)
      std::ofstream{file.parent_path() / name, std::ios::binary} << bytes;
    SeededRandom random{8};
    const auto store = open_sqlite_store({.file = file, .reserve_bytes = 0}, random);
    EXPECT_EQ((Database{file, Database::Mode::read_only}.text("PRAGMA integrity_check")), "ok")
        << "image " << number;
    for (const std::string& id : image.accepted)
      EXPECT_TRUE(store->find(id)) << id << " is lost in image " << number;
    for (const std::string& id : image.ended)
      EXPECT_TRUE(is_terminal(store->find(id)->state)) << id << " in image " << number;
    EXPECT_TRUE(accept(*store, job("next")).succeeded()) << "image " << number;
  }

  fs::path folder_ = memory_folder("power");
};

TEST_F(StorePower, LosesNothingThatWasAnsweredAtAnyWrite) {
  // COMFY_IMAGES=10000 checks that many, in as many lives as it takes.
  const char* wanted = std::getenv("COMFY_IMAGES");
  const std::size_t most = wanted ? std::strtoul(wanted, nullptr, 10) : 200;
  std::size_t checked = 0;
  for (std::uint64_t seed = 1; checked < most && !HasFailure(); ++seed) {
    std::vector<Image> images;
    {
      Disk disk{seed};
      live(disk, 25);
      images = std::move(disk.images);
    }
    ASSERT_GT(images.size(), 200u);
    const std::size_t step = std::max<std::size_t>(1, wanted ? 1 : images.size() / most);
    for (std::size_t i = seed % step; i < images.size() && checked < most; i += step, ++checked) {
      check(images[i], i);
      if (HasFailure()) {
        ADD_FAILURE() << "seed " << seed;
        return;
      }
    }
  }
  RecordProperty("images", std::to_string(checked));
}

}  // namespace
}  // namespace comfy::jobs
