// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/plugin/load_plugins.h"

#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/paths/sandbox.h"
#include "inference/tensor/ops.h"
#include "worker/engine/node.h"
#include "worker/engine/registry.h"
#include "worker/nodes/ports.h"
#include "worker/plugin/stamps.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace comfy::plugin {
namespace {

namespace fs = std::filesystem;

/// A plug-in folder with the example in it.
class PluginFolder : public testing::Test {
 protected:
  PluginFolder() {
    fs::create_directory(sandbox_ / "example");
    fs::copy_file(COMFY_EXAMPLE_PLUGIN, sandbox_ / "example/example.so");
    for (const char* part : {"", "example", "example/example.so"})
      fs::permissions(sandbox_ / part, fs::perms{0755});
  }

  paths::PluginChoice choice() const { return {.folders = {sandbox_.path()}}; }
  paths::PluginFiles files() const { return paths::find_plugins(choice()).at(0); }
  std::string bytes() const { return sandbox_.get("example/example.so"); }
  void put(std::string_view content) const { sandbox_.put("example/example.so", content); }

  /// The message of the error that loading ends with.
  std::string complaint(Error::Kind kind) {
    try {
      load_plugin(files(), registry_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind, kind) << error.message;
      EXPECT_EQ(registry_.size(), 0u);
      return error.message;
    }
    return "none";
  }

  paths::Sandbox sandbox_;
  engine::Registry registry_;
};

TEST_F(PluginFolder, BringsItsNodesWithItsName) {
  load_plugins(choice(), registry_);
  ASSERT_EQ(registry_.size(), 2u);
  const engine::NodeType& type = *registry_.find("ExampleBrightness");
  EXPECT_EQ(type.definition.python_module, "custom_nodes.example");
  EXPECT_EQ(type.definition.find_input("factor")->option("max")->as_double(), 10);
  engine::Value image = engine::Value::of(nodes::Image{at::full({1, 2, 2, 3}, 0.25)});
  engine::Value factor = Json{2.0};
  const engine::Argument arguments[] = {{.name = "image", .given = true, .values = {&image, 1}},
                                        {.name = "factor", .given = true, .values = {&factor, 1}}};
  engine::Context context;
  const engine::Returned returned = type.run({.declared = arguments, .extra = {}}, context);
  const auto* brighter = returned.slots.at(0).at(0).get<nodes::Image>();
  ASSERT_NE(brighter, nullptr);
  EXPECT_TRUE(at::equal(brighter->pixels, at::full({1, 2, 2, 3}, 0.5)));
}

TEST_F(PluginFolder, LeavesNodesOutWhoseIdsAreTaken) {
  load_plugins(choice(), registry_);
  load_plugins(choice(), registry_);
  EXPECT_EQ(registry_.size(), 2u);
}

TEST_F(PluginFolder, LoadsNoneThatTheOperatorDoesNotWant) {
  paths::PluginChoice none = choice();
  none.others = paths::PluginChoice::Default::leave_out;
  load_plugins(none, registry_);
  EXPECT_EQ(registry_.size(), 0u);
}

TEST_F(PluginFolder, RefusesWhatOthersMayChange) {
  fs::permissions(sandbox_ / "example/example.so", fs::perms{0757});
  EXPECT_NE(complaint(Error::Kind::forbidden).find("must not be writable"), std::string::npos);
  load_plugins(choice(), registry_);  // goes on without it
  EXPECT_EQ(registry_.size(), 0u);
}

TEST_F(PluginFolder, RefusesWhatWasBuiltForAnotherProgram) {
  std::string changed = bytes();
  const Stamp ours = stamp_of_this_build();
  const std::size_t at = changed.find(std::string_view{ours.mark, sizeof ours.mark});
  ASSERT_NE(at, std::string::npos);
  ++changed[at + sizeof ours.mark];  // the interface's number
  put(changed);
  EXPECT_EQ(
      complaint(Error::Kind::unsupported),
      fmt::format("it was built for plug-in interface {}, this program for {}; build it again",
                  ours.number + 1, ours.number));
}

TEST_F(PluginFolder, RefusesWhatIsNoPlugin) {
  put("#!/bin/sh");
  EXPECT_NE(complaint(Error::Kind::invalid_input).find("has no stamp"), std::string::npos);
  const Stamp ours = stamp_of_this_build();
  put("not a library, but " + std::string{reinterpret_cast<const char*>(&ours), sizeof ours});
  EXPECT_NE(complaint(Error::Kind::invalid_input).find("does not load"), std::string::npos);
}

TEST_F(PluginFolder, HoldsLibrariesToItsListOfHashes) {
  const std::string hash = to_hex(sha256(bytes()));
  sandbox_.put("plugins.sha256", hash + "  example/other.so\n");
  EXPECT_NE(complaint(Error::Kind::forbidden).find("must name example/example.so"),
            std::string::npos);
  sandbox_.put("plugins.sha256", std::string(64, '0') + "  example/example.so\n");
  EXPECT_NE(complaint(Error::Kind::forbidden).find(hash), std::string::npos);
  sandbox_.put("plugins.sha256", "# list\n" + hash + " *example/example.so\n");
  load_plugin(files(), registry_);
  EXPECT_EQ(registry_.size(), 2u);
}

}  // namespace
}  // namespace comfy::plugin
