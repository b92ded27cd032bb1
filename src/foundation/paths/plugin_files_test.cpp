// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/plugin_files.h"

#include "foundation/paths/sandbox.h"

#include <gtest/gtest.h>

namespace comfy::paths {
namespace {

namespace fs = std::filesystem;

class PluginFolder : public testing::Test {
 protected:
  PluginFolder() { fs::permissions(sandbox_.path(), fs::perms{0755}); }

  void put(std::string_view below, fs::perms mode = fs::perms{0644}) {
    sandbox_.put(below, "x");
    for (fs::path at = sandbox_ / below; at != sandbox_.path(); at = at.parent_path())
      fs::permissions(at, fs::is_directory(at) ? fs::perms{0755} : mode);
  }
  std::vector<PluginFiles> find(PluginChoice choice = {}) {
    choice.folders = {sandbox_.path()};
    return find_plugins(choice);
  }
  std::string names(PluginChoice choice = {}) {
    std::string all;
    for (const PluginFiles& plugin : find(std::move(choice))) all += plugin.name + " ";
    return all;
  }

  Sandbox sandbox_;
};

TEST_F(PluginFolder, HoldsLibrariesAndFoldersOfTheirName) {
  put("b.so");
  put("a/a.so");
  put("a/web/main.js");
  put("a/other.so");
  put("notes.txt");
  put("c/d.so");
  const auto plugins = find();
  ASSERT_EQ(plugins.size(), 2u);
  EXPECT_EQ(plugins[0].name, "a");
  EXPECT_EQ(plugins[0].library, sandbox_ / "a/a.so");
  EXPECT_EQ(plugins[0].web, sandbox_ / "a/web");
  EXPECT_EQ(plugins[1].name, "b");
  EXPECT_TRUE(plugins[1].web.empty());
  for (const PluginFiles& plugin : plugins) EXPECT_EQ(plugin.refusal, "");
}

TEST_F(PluginFolder, MayBeThatOfOnePlugin) {
  put("a/a.so");
  put("a/web/main.js");
  const auto plugins = find_plugins({.folders = {sandbox_ / "a"}});
  ASSERT_EQ(plugins.size(), 1u);
  EXPECT_EQ(plugins[0].web, sandbox_ / "a/web");
}

TEST_F(PluginFolder, IsNotTrustedWhenOthersMayWriteThere) {
  put("a/a.so");
  put("a/web/main.js");
  for (const char* below : {"a/a.so", "a", "a/web"})
    for (const unsigned mode : {0775U, 0757U}) {
      const fs::perms before = fs::status(sandbox_ / below).permissions();
      fs::permissions(sandbox_ / below, fs::perms{mode});
      const auto plugins = find();
      ASSERT_EQ(plugins.size(), 1u);
      EXPECT_NE(plugins[0].refusal.find("must not be writable by group or others"),
                std::string::npos)
          << below;
      fs::permissions(sandbox_ / below, before);
    }
  fs::permissions(sandbox_.path(), fs::perms{0777});
  EXPECT_FALSE(find().at(0).refusal.empty());
  EXPECT_NE(find().at(0).library, sandbox_ / "a/a.so");
}

TEST_F(PluginFolder, IsJudgedByWhatItsLinksLeadTo) {
  put("elsewhere/a.so", fs::perms{0666});
  fs::create_directory(sandbox_ / "plugins");
  fs::permissions(sandbox_ / "plugins", fs::perms{0755});
  fs::create_symlink(sandbox_ / "elsewhere/a.so", sandbox_ / "plugins/a.so");
  const auto plugins = find_plugins({.folders = {sandbox_ / "plugins"}});
  ASSERT_EQ(plugins.size(), 1u);
  EXPECT_FALSE(plugins[0].refusal.empty());
}

TEST_F(PluginFolder, GivesWhatTheOperatorWants) {
  put("a.so");
  put("b.so");
  EXPECT_EQ(names(), "a b ");
  EXPECT_EQ(names({.unwanted = {"a"}}), "b ");
  EXPECT_EQ(names({.others = PluginChoice::Default::leave_out}), "");
  EXPECT_EQ(names({.others = PluginChoice::Default::leave_out, .wanted = {"b"}}), "b ");
  EXPECT_EQ(find_plugins({.folders = {sandbox_ / "none"}}).size(), 0u);
}

}  // namespace
}  // namespace comfy::paths
