// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/attempts/file_publisher.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace comfy::attempts {
namespace {

namespace fs = std::filesystem;

class FilePublisherTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(base_ / "output"); }
  void TearDown() override { fs::remove_all(base_); }

  FilePublisher attempt(const std::string& prompt_id = "p") {
    return {
        {.folders = folders_, .clock = clock_, .pass_fence = [this] { fence(); }}, prompt_id, ""};
  }
  static paths::FolderOptions options(const fs::path& base) {
    paths::FolderOptions made;
    made.base = base;
    return made;
  }
  static engine::PublishRequest picture(std::string bytes, const std::string& node = "9") {
    return {.prefix = "sub/ComfyUI", .bytes = std::move(bytes), .node_id = node};
  }
  std::string content(const engine::PublishedFile& file) const {
    std::ifstream input{base_ / file.type / file.subfolder / file.filename, std::ios::binary};
    return (std::ostringstream{} << input.rdbuf()).str();
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator{base_ / "output"})
      count += entry.is_regular_file() && entry.path().extension() != ".jsonl" ? 1 : 0;
    return count;
  }

  fs::path base_ = fs::path{testing::TempDir()} / ("publish-" + std::to_string(getpid()));
  paths::Folders folders_{options(base_)};
  ManualClock clock_;
  std::function<void()> fence = [] {};
};

TEST_F(FilePublisherTest, CountsUpAndSaysWhereTheFileWent) {
  FilePublisher publisher = attempt();
  const auto first = publisher.publish(picture("one"));
  EXPECT_EQ(to_json(first.to_json()),
            R"({"filename": "ComfyUI_00001_.png", "subfolder": "sub", "type": "output"})");
  EXPECT_EQ(content(first), "one");
  EXPECT_EQ(publisher.publish(picture("two")).filename, "ComfyUI_00002_.png");
}

TEST_F(FilePublisherTest, GivesAnAttemptThatRunsAgainTheNamesOfTheFirst) {
  attempt().publish(picture("one"));
  FilePublisher interrupted = attempt("q");
  EXPECT_EQ(interrupted.publish(picture("two")).filename, "ComfyUI_00002_.png");
  FilePublisher again = attempt("q");
  EXPECT_EQ(again.publish(picture("two")).filename, "ComfyUI_00002_.png");
  FilePublisher differs = attempt("q");
  const auto rewritten = differs.publish(picture("changed"));
  EXPECT_EQ(rewritten.filename, "ComfyUI_00002_.png");
  EXPECT_EQ(content(rewritten), "changed");
  EXPECT_EQ(files(), 2u);
  EXPECT_EQ(differs.publish(picture("next")).filename, "ComfyUI_00003_.png") << "the second item";
}

TEST_F(FilePublisherTest, LeavesForeignFilesAlone) {
  const auto mine = attempt().publish(picture("mine"));
  std::ofstream{base_ / "output/sub" / mine.filename} << "somebody else's";
  EXPECT_EQ(attempt().publish(picture("mine")).filename, "ComfyUI_00002_.png");
  EXPECT_EQ(content(mine), "somebody else's");
}

TEST_F(FilePublisherTest, TakesANewNameWhenTheOldOneNeverAppeared) {
  const auto lost = attempt().publish(picture("one"));
  fs::remove(base_ / "output/sub" / lost.filename);
  EXPECT_EQ(attempt().publish(picture("one")).filename, "ComfyUI_00001_.png");
}

TEST_F(FilePublisherTest, NeverOverwritesWithABatchNumberInTheName) {
  FilePublisher publisher = attempt();
  const engine::PublishRequest request{
      .prefix = "x_%batch_num%", .bytes = "a", .batch_number = 0, .node_id = "1"};
  EXPECT_EQ(publisher.publish(request).filename, "x_0_00001_.png");
  EXPECT_EQ(publisher.publish(request).filename, "x_0_00002_.png");
}

TEST_F(FilePublisherTest, WritesNothingBehindAClosedFence) {
  fence = [] { throw Error(Error::Kind::interrupted, "lost"); };
  EXPECT_THROW(attempt().publish(picture("one")), Error);
  EXPECT_EQ(files(), 0u);
}

TEST_F(FilePublisherTest, RefusesToLeaveTheFolder) {
  EXPECT_THROW(attempt().publish({.prefix = "../x", .bytes = "a"}), Error);
}

TEST_F(FilePublisherTest, ForgetsThePromptOnceItIsRecorded) {
  attempt().publish(picture("one"));
  EXPECT_TRUE(fs::exists(base_ / "output/.comfy/p.jsonl"));
  FilePublisher::forget(folders_, "p", "");
  EXPECT_FALSE(fs::exists(base_ / "output/.comfy/p.jsonl"));
}

TEST_F(FilePublisherTest, ReadsALedgerWhoseLastLineWasCutOff) {
  attempt().publish(picture("one"));
  std::ofstream{base_ / "output/.comfy/p.jsonl", std::ios::app} << R"({"key":"8/0/0","pa)";
  FilePublisher again = attempt();
  again.publish(picture("new", "8"));
  FilePublisher third = attempt();
  EXPECT_EQ(third.publish(picture("one")).filename, "ComfyUI_00001_.png");
  EXPECT_EQ(third.publish(picture("new", "8")).filename, "ComfyUI_00002_.png");
}

TEST_F(FilePublisherTest, PutsTemporaryFilesIntoTheirOwnFolder) {
  const auto file =
      attempt().publish({.root = engine::PublishRequest::Root::temp, .prefix = "t", .bytes = "x"});
  EXPECT_EQ(file.type, "temp");
  EXPECT_EQ(content(file), "x");
}

TEST_F(FilePublisherTest, SweepsOldLedgersOnly) {
  attempt("old").publish(picture("one"));
  attempt("new").publish(picture("two", "8"));
  const fs::path folder = base_ / "output/.comfy";
  fs::last_write_time(folder / "old.jsonl",
                      fs::file_time_type::clock::now() - std::chrono::hours{30});
  Ledger::sweep(base_ / "output", std::chrono::hours{24});
  EXPECT_FALSE(fs::exists(folder / "old.jsonl"));
  EXPECT_TRUE(fs::exists(folder / "new.jsonl"));
}

}  // namespace
}  // namespace comfy::attempts
