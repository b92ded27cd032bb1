// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/root.h"

#include "foundation/base/error.h"
#include "foundation/paths/hostile_names.h"
#include "foundation/paths/sandbox.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace comfy::paths {
namespace {

ClientPath at(std::string_view text) { return ClientPath::parse(text); }

Error::Kind kind_thrown(const auto& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.kind;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error::Kind::internal;
}

std::vector<std::string> paths_of(const std::vector<Entry>& entries) {
  std::vector<std::string> paths;
  for (const Entry& entry : entries) paths.push_back(entry.path);
  return paths;
}

/// Both ways of resolving, the kernel's and ours.
class Resolving : public testing::TestWithParam<bool> {
 protected:
  Root root(Links links = Links::refuse) const {
    Root made{box / "root", links};
    if (GetParam()) made.walk_components_only();
    return made;
  }
  Sandbox box;
};

INSTANTIATE_TEST_SUITE_P(Ways, Resolving, testing::Values(false, true),
                         [](const auto& way) { return way.param ? "Components" : "Kernel"; });

TEST_P(Resolving, OpensFilesBelow) {
  box.put("root/sub/a.txt", "hello");
  EXPECT_EQ(read_all(root().open(at("sub/a.txt")), 100), "hello");
  EXPECT_FALSE(root().find(at("sub")));
  EXPECT_FALSE(root().find(at("sub/b.txt")));
  EXPECT_FALSE(root().find(at("sub/a.txt/b")));
  EXPECT_EQ(kind_thrown([&] { root().open(at("nope")); }), Error::Kind::not_found);
  EXPECT_TRUE(root().status(at("sub"))->is_folder);
  EXPECT_EQ(root().status(at("sub/a.txt"))->size, 5U);
}

TEST_P(Resolving, LinksAreAsGoodAsAbsent) {
  box.put("canary.txt", "secret");
  box.put("root/a.txt", "hello");
  std::filesystem::create_symlink(box / "canary.txt", box / "root/link.txt");
  std::filesystem::create_symlink(box.path(), box / "root/up");
  std::filesystem::create_symlink("a.txt", box / "root/inside.txt");
  for (const char* name : {"link.txt", "up/canary.txt", "up", "inside.txt"}) {
    EXPECT_FALSE(root().find(at(name))) << name;
    EXPECT_FALSE(root().status(at(name))) << name;
  }
  EXPECT_EQ(paths_of(root().list({}, Depth::recursive)), std::vector<std::string>{"a.txt"});
  EXPECT_EQ(kind_thrown([&] { root().remove(at("link.txt")); }), Error::Kind::not_found);
  EXPECT_EQ(kind_thrown([&] { root().make_folder(at("up/x")); }), Error::Kind::conflict);
  EXPECT_FALSE(std::filesystem::exists(box / "x"));
}

TEST_P(Resolving, WritingThroughALinkReplacesTheLink) {
  box.put("canary.txt", "secret");
  box.put("root/a.txt", "");
  std::filesystem::create_symlink(box / "canary.txt", box / "root/link.txt");
  NewFile file = root().create(at("link.txt"));
  file.write("new");
  EXPECT_TRUE(file.publish(Existing::replace));
  EXPECT_EQ(box.get("canary.txt"), "secret");
  EXPECT_EQ(box.get("root/link.txt"), "new");
}

TEST_P(Resolving, FollowedLinksLeadOnlyWhereTheRootsOwnLinksDo) {
  box.put("store/model.bin", "m");
  box.put("store/deep/n.bin", "n");
  box.put("root/a.txt", "a");
  std::filesystem::create_symlink(box / "store", box / "root/big");
  std::filesystem::create_symlink(box / "store/model.bin", box / "root/one.bin");
  const Root follow = root(Links::follow);
  EXPECT_EQ(read_all(follow.open(at("big/deep/n.bin")), 9), "n");
  EXPECT_EQ(read_all(follow.open(at("one.bin")), 9), "m");
  EXPECT_EQ(paths_of(follow.list({}, Depth::recursive)),
            (std::vector<std::string>{"a.txt", "big", "big/deep", "big/deep/n.bin", "big/model.bin",
                                      "one.bin"}));
}

TEST_P(Resolving, ALinkToItselfEndsTheWalk) {
  box.put("root/a.txt", "a");
  std::filesystem::create_symlink(".", box / "root/loop");
  std::filesystem::create_symlink("round", box / "root/round");
  EXPECT_EQ(paths_of(root(Links::follow).list({}, Depth::recursive)),
            (std::vector<std::string>{"a.txt", "loop"}));
  EXPECT_FALSE(root(Links::follow).find(at("round")));
}

TEST_P(Resolving, ListsSortedWithoutHiddenNames) {
  for (const char* name : {"root/b", "root/a/c", "root/.hidden", "root/.comfy/ledger", "root/x "})
    box.put(name, "");
  EXPECT_EQ(paths_of(root().list({}, Depth::shallow)), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(paths_of(root().list({}, Depth::recursive)),
            (std::vector<std::string>{"a", "a/c", "b"}));
  EXPECT_EQ(kind_thrown([&] { root().list(at("nope"), Depth::shallow); }), Error::Kind::not_found);
}

TEST_P(Resolving, APipeIsNoFileAndHoldsNobodyUp) {
  box.put("root/a", "");
  ASSERT_EQ(::mkfifo((box / "root/pipe").c_str(), 0600), 0);
  EXPECT_FALSE(root().find(at("pipe")));
  EXPECT_EQ(paths_of(root().list({}, Depth::shallow)), std::vector<std::string>{"a"});
}

TEST_P(Resolving, HostileNamesReachNothing) {
  box.put("canary.txt", "secret");
  box.put("root/sub/sub/own.txt", "own");
  for (const Links links : {Links::refuse, Links::follow}) {
    const Root here = root(links);
    for (const std::string& name : hostile_names("canary.txt")) {
      try {
        const ClientPath path = ClientPath::parse(name);
        EXPECT_FALSE(here.find(path)) << name;
        EXPECT_FALSE(here.status(path)) << name;
        NewFile file = here.create(path);
        file.write("overwritten");
        file.publish(Existing::replace);
        here.remove(path);
      } catch (const Error& error) {
        EXPECT_NE(error.kind, Error::Kind::internal) << name;
      }
    }
  }
  EXPECT_EQ(box.get("canary.txt"), "secret");
  std::size_t outside = 0;
  for (const auto& entry : std::filesystem::directory_iterator{box.path()})
    outside += entry.path().filename() != "root" ? 1 : 0;
  EXPECT_EQ(outside, 1U);
}

TEST_P(Resolving, MakesFoldersAndTheRootItself) {
  root().make_folder(at("a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(box / "root/a/b/c"));
  box.put("root/file", "");
  EXPECT_EQ(kind_thrown([&] { root().make_folder(at("file/x")); }), Error::Kind::conflict);
}

TEST_P(Resolving, RemovesFilesOnly) {
  box.put("root/a/b.txt", "");
  EXPECT_EQ(kind_thrown([&] { root().remove(at("a")); }), Error::Kind::invalid_input);
  root().remove(at("a/b.txt"));
  EXPECT_FALSE(std::filesystem::exists(box / "root/a/b.txt"));
  EXPECT_EQ(kind_thrown([&] { root().remove(at("a/b.txt")); }), Error::Kind::not_found);
}

TEST_P(Resolving, MovesAndKeepsWhatIsThereWhenAsked) {
  box.put("root/a", "a");
  box.put("root/b", "b");
  EXPECT_EQ(kind_thrown([&] { root().move(at("a"), at("b"), Existing::keep); }),
            Error::Kind::conflict);
  root().move(at("a"), at("new/b"), Existing::keep);
  EXPECT_EQ(box.get("root/new/b"), "a");
  root().move(at("b"), at("new/b"), Existing::replace);
  EXPECT_EQ(box.get("root/new/b"), "b");
  EXPECT_EQ(kind_thrown([&] { root().move(at("b"), at("c"), Existing::keep); }),
            Error::Kind::not_found);
}

TEST(NewFile, ShowsNothingUntilItIsPublished) {
  const Sandbox box;
  const Root root{box.path()};
  {
    NewFile dropped = root.create(at("sub/a"));
    dropped.write("x");
  }
  EXPECT_TRUE(std::filesystem::is_empty(box / "sub"));
  NewFile file = root.create(at("sub/a"));
  file.write("one");
  EXPECT_TRUE(std::filesystem::is_empty(box / "sub"));
  EXPECT_TRUE(file.publish(Existing::keep));
  EXPECT_EQ(box.get("sub/a"), "one");
}

TEST(NewFile, ATakenNameLeavesItWaitingForAnother) {
  const Sandbox box;
  box.put("a", "old");
  NewFile file = Root{box.path()}.create(at("a"));
  file.write("new");
  EXPECT_FALSE(file.publish(Existing::keep));
  file.rename_to("b");
  EXPECT_TRUE(file.publish(Existing::keep));
  EXPECT_EQ(box.get("a"), "old");
  EXPECT_EQ(box.get("b"), "new");
}

TEST(NewFile, ManyAtOnceEndUpUnderOneNameEach) {
  const Sandbox box;
  const Root root{box.path()};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&root, i] {
      NewFile file = root.create(at("n0"));
      file.write(std::to_string(i));
      for (int next = 1; !file.publish(Existing::keep); ++next)
        file.rename_to("n" + std::to_string(next));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::string contents;
  for (int i = 0; i < 8; ++i) contents += box.get("n" + std::to_string(i));
  std::ranges::sort(contents);
  EXPECT_EQ(contents, "01234567");
}

TEST(ReadAll, RefusesMoreThanItsLimit) {
  const Sandbox box;
  box.put("a", "12345");
  const Root root{box.path()};
  EXPECT_EQ(read_all(root.open(at("a")), 5), "12345");
  EXPECT_EQ(kind_thrown([&] { read_all(root.open(at("a")), 4); }), Error::Kind::too_large);
}

}  // namespace
}  // namespace comfy::paths
