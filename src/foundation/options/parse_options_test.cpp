// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/options/parse_options.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/options/option_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

namespace comfy::options {
namespace {

struct World {
  std::vector<std::string> arguments = {};
  std::map<std::string, std::string> environment = {};
  std::map<std::string, std::string> files = {};

  Parsed parse() const {
    Sources sources{.arguments = arguments,
                    .environment_variable = [this](const char* name) -> const char* {
                      const auto found = environment.find(name);
                      return found == environment.end() ? nullptr : found->second.c_str();
                    },
                    .environment_names = {},
                    .read_file = [this](const std::string& path) -> std::optional<std::string> {
                      const auto found = files.find(path);
                      if (found == files.end()) return {};
                      return found->second;
                    }};
    for (const auto& [name, value] : environment) sources.environment_names.push_back(name);
    return parse_options(sources);
  }

  std::string refusal() const {
    try {
      parse();
      return "accepted";
    } catch (const Error& error) {
      return error.message;
    }
  }
};

TEST(Options, HaveComfyUisDefaults) {
  const Options options = World{}.parse().options;
  EXPECT_EQ(options.port, 8188);
  EXPECT_EQ(options.listen, "127.0.0.1");
  EXPECT_EQ(options.preview_method, "none");
}

TEST(Options, TakeTheCommandLineBeforeTheEnvironmentBeforeTheFile) {
  World world{.files = {{"config.yaml", "port: 1\nlisten: 127.0.0.2\npreview-size: 100\n"}}};
  world.environment = {{"COMFYUI_PORT", "2"}, {"COMFYUI_LISTEN", "127.0.0.3"}};
  world.arguments = {"--port", "3"};
  const Options options = world.parse().options;
  EXPECT_EQ(options.port, 3);
  EXPECT_EQ(options.listen, "127.0.0.3");
  EXPECT_EQ(options.preview_size, 100);
}

TEST(Options, ReadTheLineSyntaxAndJson) {
  World world{
      .files = {
          {"config.yaml",
           "# words\n--port = 9000 ; why\nmulti-user\nallowed-host = [a.example, b.example]\n"},
          {"config.json", R"({"preview-size": 64})"}}};
  const Options options = world.parse().options;
  EXPECT_EQ(options.port, 9000);
  EXPECT_TRUE(options.multi_user);
  EXPECT_EQ(options.allowed_host, (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(options.preview_size, 64);
}

TEST(Options, WarnAboutUnknownKeysAndVariables) {
  World world{.environment = {{"COMFYUI_PROT", "1"}}, .files = {{"config.cfg", "prot = 1\n"}}};
  EXPECT_EQ(world.parse().warnings.size(), 3u);
}

TEST(Options, RefuseUnknownFlagsWithASentence) {
  EXPECT_EQ((World{.arguments = {"--prot", "1"}}.refusal()), "unknown option --prot (see --help)");
}

TEST(Options, AcceptUniqueAbbreviationsAndShortFlags) {
  const Options options = World{.arguments = {"--max-up", "5", "-H", "127.0.0.9"}}.parse().options;
  EXPECT_EQ(options.max_upload_size, 5);
  EXPECT_EQ(options.listen, "127.0.0.9");
  EXPECT_NE((World{.arguments = {"--fp8"}}.refusal()), "accepted");
}

TEST(Options, GiveBareFlagsTheirValue) {
  const Options options =
      World{.arguments = {"--listen", "--enable-cors-header", "--port", "1"}}.parse().options;
  EXPECT_EQ(options.listen, "0.0.0.0,::");
  EXPECT_EQ(options.enable_cors_header, "*");
  EXPECT_EQ(options.port, 1);
}

TEST(Options, ExcludeEachOtherInAGroupAcrossSources) {
  World world{.arguments = {"--highvram"}, .environment = {{"COMFYUI_LOWVRAM", "1"}}};
  EXPECT_EQ(world.refusal(), "--highvram and COMFYUI_LOWVRAM exclude each other");
  world.environment = {{"COMFYUI_LOWVRAM", "0"}};
  EXPECT_EQ(world.refusal(), "accepted");
}

TEST(Options, NameExpectedAndFound) {
  EXPECT_EQ((World{.environment = {{"COMFYUI_PORT", "many"}}}.refusal()),
            "COMFYUI_PORT: expected a number, found \"many\"");
  EXPECT_EQ((World{.environment = {{"COMFYUI_MULTI_USER", "maybe"}}}.refusal()),
            "COMFYUI_MULTI_USER: expected true or false, found \"maybe\"");
  EXPECT_EQ((World{.arguments = {"--preview-method", "fancy"}}.refusal()),
            "--preview-method: expected one of none, auto, latent2rgb, taesd, found \"fancy\"");
}

TEST(Options, SayWhenTheirFeatureIsOutstanding) {
  EXPECT_EQ((World{.arguments = {"--auto-launch"}}.parse().warnings.at(0)),
            "--auto-launch is not offered yet and has no effect");
  EXPECT_NE((World{.arguments = {"--isolate-decoders"}}.refusal()), "accepted");
}

TEST(Options, SurviveTheWayToAChildProcess) {
  World world{
      .arguments = {"--port", "9", "--multi-user", "--allowed-host", "a", "--allowed-host", "b"}};
  World child{.arguments = child_settings(world.parse().options).arguments};
  EXPECT_EQ(child.parse().options.allowed_host, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(child.parse().options.port, 9);
}

TEST(Options, GivenAsTheirDefaultsWinInAChildProcessToo) {
  World world{.arguments = {"--preview-method=none", "--cache-lru=0", "--multi-user=false"},
              .environment = {{"COMFYUI_PREVIEW_METHOD", "latent2rgb"},
                              {"COMFYUI_CACHE_LRU", "7"},
                              {"COMFYUI_MULTI_USER", "1"}}};
  const Options options = world.parse().options;
  EXPECT_FALSE(options.multi_user);
  World child{.arguments = child_settings(options).arguments, .environment = world.environment};
  const Options received = child.parse().options;
  EXPECT_EQ(received.preview_method, "none");
  EXPECT_EQ(received.cache_lru, 0);
  EXPECT_FALSE(received.multi_user);
}

TEST(Options, GoToAChildProcessByItsEnvironmentWhenTheyAreSecret) {
  Options options;
  std::size_t secrets = 0;
  for (const Row& row : option_table()) {
    if (!row.secret) continue;
    ASSERT_FALSE(environment_name(row).empty()) << row.flag;
    options.*std::get<std::string Options::*>(row.member) = fmt::format("canary-{}", row.flag);
    ++secrets;
  }
  const ChildSettings settings = child_settings(options);
  EXPECT_TRUE(settings.arguments.empty());
  World child;
  for (const std::string& variable : settings.environment) {
    const std::size_t sign = variable.find('=');
    child.environment[variable.substr(0, sign)] = variable.substr(sign + 1);
  }
  EXPECT_EQ(child.environment.size(), secrets);
  const Options received = child.parse().options;
  for (const Row& row : option_table()) {
    EXPECT_EQ(value_text(row, received), value_text(row, options)) << row.flag;
  }
}

TEST(Options, SurviveBeingWrittenToAConfigFile) {
  World world{.arguments = {"--port", "9", "--allowed-host", "a", "--history-max-bytes", "5e9"}};
  World again{.files = {{"config.cfg", to_config_text(world.parse().options, Secrets::shown)}}};
  EXPECT_EQ(again.parse().options.port, 9);
  EXPECT_EQ(again.parse().options.allowed_host, (std::vector<std::string>{"a"}));
  EXPECT_EQ(again.parse().options.history_max_bytes, 5e9);
}

TEST(OptionTable, NamesEachFlagOnce) {
  for (const Row& row : option_table()) EXPECT_EQ(find_row(row.flag), &row) << row.flag;
}

TEST(Options, PrintHelpForEveryFlag) {
  const Parsed parsed = World{.arguments = {"--help"}}.parse();
  ASSERT_TRUE(parsed.help);
  for (const Row& row : option_table())
    EXPECT_NE(parsed.help->find(std::string{row.flag}), std::string::npos) << row.flag;
}

}  // namespace
}  // namespace comfy::options
