// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/listing_cache.h"

#include "foundation/paths/sandbox.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace comfy::paths {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;
using Place = FolderWatch::Scope::Place;

ModelFolder folder_of(const Sandbox& box, const char* name) {
  return {.kind = name, .roots = {Root{box / name, Links::follow}}, .extensions = {".pt"}};
}

Names names_of(const std::vector<Entry>& entries) {
  Names names;
  for (const Entry& entry : entries) names.push_back(entry.path);
  return names;
}

TEST(ListingCache, LooksIntoNoFolderWhileNothingChanges) {
  const Sandbox box;
  for (int i = 0; i < 500; ++i)
    box.put("m/" + std::to_string(i % 20) + "/" + std::to_string(i) + ".pt", "");
  ListingCache cache;
  const ModelFolder folder = folder_of(box, "m");
  const auto first = cache.list(folder);
  EXPECT_EQ(first->entries.size(), 500U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(cache.list(folder), first);
  EXPECT_EQ(cache.scans(), 1U);
}

TEST(ListingCache, SeesEveryChangeAtTheNextQuestion) {
  const Sandbox box;
  ListingCache cache;
  const ModelFolder folder = folder_of(box, "far/below/m");
  EXPECT_TRUE(cache.list(folder)->entries.empty());
  box.put("far/x", "");
  EXPECT_TRUE(cache.list(folder)->entries.empty());
  box.put("far/below/m/a.pt", "1");
  EXPECT_EQ(cache.list(folder)->names(), Names{"a.pt"});
  box.put("far/below/m/sub/deep/b.pt", "1");
  EXPECT_EQ(cache.list(folder)->names(), (Names{"a.pt", "sub/deep/b.pt"}));
  box.put("far/below/m/sub/deep/c.pt", "1");
  EXPECT_EQ(cache.list(folder)->entries.size(), 3U);
  box.put("far/below/m/a.pt", "12345");  // a download that goes on
  EXPECT_EQ(cache.list(folder)->entries[0].size, 5U);
  std::filesystem::rename(box / "far/below/m/sub", box / "far/below/m/other");
  EXPECT_EQ(cache.list(folder)->names(), (Names{"a.pt", "other/deep/b.pt", "other/deep/c.pt"}));
  std::filesystem::remove_all(box / "far/below/m");
  EXPECT_TRUE(cache.list(folder)->entries.empty());
  box.put("far/below/m/d.pt", "");
  EXPECT_EQ(cache.list(folder)->names(), Names{"d.pt"});
}

TEST(ListingCache, SeesFoldersThatTwoKindsShare) {
  const Sandbox box;
  box.put("m/a.pt", "");
  ListingCache cache;
  ModelFolder one = folder_of(box, "m");
  ModelFolder other = folder_of(box, "m");
  other.kind = "other";
  EXPECT_EQ(cache.list(one)->names(), Names{"a.pt"});
  EXPECT_EQ(cache.list(other)->names(), Names{"a.pt"});
  box.put("m/b.pt", "");
  EXPECT_EQ(cache.list(one)->entries.size(), 2U);
  EXPECT_EQ(cache.list(other)->entries.size(), 2U);
  box.put("m/c.pt", "");
  EXPECT_EQ(cache.list(other)->entries.size(), 3U);
  EXPECT_EQ(cache.list(one)->entries.size(), 3U);
}

TEST(ListingCache, FollowsALinkedFolder) {
  const Sandbox box;
  box.put("elsewhere/a.pt", "");
  std::filesystem::create_directories(box / "m");
  std::filesystem::create_directory_symlink(box / "elsewhere", box / "m/link");
  ListingCache cache;
  const ModelFolder folder = folder_of(box, "m");
  EXPECT_EQ(cache.list(folder)->names(), Names{"link/a.pt"});
  box.put("elsewhere/b.pt", "");
  EXPECT_EQ(cache.list(folder)->names(), (Names{"link/a.pt", "link/b.pt"}));
}

TEST(ListingCache, KeepsTheFilesOfOneFolder) {
  const Sandbox box;
  box.put("input/b.png", "");
  ListingCache cache;
  const Root input{box / "input"};
  EXPECT_TRUE(cache.list(input, ClientPath::parse("3d"), Depth::recursive)->empty());
  const Entries first = cache.list(input, {}, Depth::shallow);
  EXPECT_EQ(names_of(*first), Names{"b.png"});
  EXPECT_EQ(cache.list(input, {}, Depth::shallow), first);
  EXPECT_EQ(cache.scans(), 2U);
  box.put("input/a.png", "");
  EXPECT_EQ(names_of(*cache.list(input, {}, Depth::shallow)), (Names{"a.png", "b.png"}));
  box.put("input/3d/model.glb", "");
  EXPECT_EQ(names_of(*cache.list(input, ClientPath::parse("3d"), Depth::recursive)),
            Names{"model.glb"});
}

TEST(FolderWatch, WithoutEventsFindsChangesByTheTimesOfFolders) {
  const Sandbox box;
  box.put("m/sub/a", "");
  FolderWatch watch{FolderWatch::Way::polling, 0ms};
  std::this_thread::sleep_for(80ms);  // until the folders count as quiet
  FolderWatch::Scope scope{watch};
  scope.add(box / "m", Place::root);
  scope.add(box / "m/sub", Place::below);
  scope.add(box / "absent", Place::root);
  EXPECT_TRUE(scope.is_unchanged());
  box.put("m/sub/b", "");
  EXPECT_FALSE(scope.is_unchanged());
}

TEST(FolderWatch, WithoutEventsLooksAtTimesNowAndThenOnly) {
  const Sandbox box;
  std::filesystem::create_directories(box / "m");
  FolderWatch watch{FolderWatch::Way::polling, 1h};
  FolderWatch::Scope scope{watch};
  scope.add(box / "m", Place::root);
  box.put("m/new", "");
  EXPECT_TRUE(scope.is_unchanged());
}

TEST(FolderWatch, NoticesThatAFolderAboveWasReplaced) {
  const Sandbox box;
  box.put("all/m/a.pt", "");
  FolderWatch watch{FolderWatch::Way::events, 0ms};
  FolderWatch::Scope scope{watch};
  scope.add(box / "all/m", Place::root);
  EXPECT_TRUE(scope.is_unchanged());
  std::filesystem::rename(box / "all", box / "old");
  box.put("all/m/b.pt", "");
  EXPECT_FALSE(scope.is_unchanged());
}

}  // namespace
}  // namespace comfy::paths
