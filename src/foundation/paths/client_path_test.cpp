// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/client_path.h"

#include "foundation/paths/annotated_name.h"

#include <gtest/gtest.h>

#include <string>

namespace comfy::paths {
namespace {

std::string refusal_of(const std::string& text) {
  try {
    ClientPath::parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    return error.message;
  }
  return {};
}

TEST(ClientPath, KeepsPlainPathsAsTheyAre) {
  for (const char* text : {"a.png", "sub/a b.png", "ü 日.png", "workflows/a..b.json", ".hidden",
                           "a:b.png/c", "100%.png", "console.png", "com10.txt"}) {
    if (std::string_view{text}.starts_with("a:")) continue;
    EXPECT_EQ(ClientPath::parse(text).text(), text);
  }
}

TEST(ClientPath, DropsEmptyComponents) { EXPECT_EQ(ClientPath::parse("a//b/").text(), "a/b"); }

TEST(ClientPath, NamesTheRuleThatIsBroken) {
  EXPECT_EQ(refusal_of(""), "path must not be empty");
  EXPECT_EQ(refusal_of("../x"), "path must not have '.' or '..' as a component, got '../x'");
  EXPECT_EQ(refusal_of("a/./b"), "path must not have '.' or '..' as a component, got 'a/./b'");
  EXPECT_EQ(refusal_of("/etc"), "path must not be absolute, got '/etc'");
  EXPECT_EQ(refusal_of("a\\b"), "path must not hold a backslash, got 'a\\b'");
  EXPECT_EQ(refusal_of("a\nb"), "path must not hold control bytes, got 'a?b'");
  EXPECT_EQ(refusal_of(std::string{"a\0b", 3}), "path must not hold control bytes, got 'a?b'");
  EXPECT_EQ(refusal_of("c:/x"), "path must not name a drive, got 'c:/x'");
  EXPECT_EQ(refusal_of("x/NUL.png"), "path must not hold the name of a device, got 'x/NUL.png'");
  EXPECT_EQ(refusal_of("lpt3"), "path must not hold the name of a device, got 'lpt3'");
  EXPECT_EQ(refusal_of("a "),
            "path must not have a component that ends in a blank or a dot, got 'a '");
  EXPECT_EQ(refusal_of("a./b"),
            "path must not have a component that ends in a blank or a dot, got 'a./b'");
  EXPECT_EQ(refusal_of("\xFF"), "path must be valid UTF-8, got '?'");
  EXPECT_TRUE(refusal_of(std::string(256, 'x'))
                  .starts_with("path must not have a component longer than 255"));
  EXPECT_TRUE(refusal_of(std::string(1025, '/')).starts_with("path must not be longer than 1024"));
  EXPECT_TRUE(refusal_of(std::string(255, 'x')).empty());
}

TEST(ClientPath, ThrowsTheKindItIsToldTo) {
  try {
    ClientPath::parse("..", Error::Kind::forbidden);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::forbidden);
    EXPECT_EQ(error.details, kRefusedPath);
  }
}

TEST(ClientPath, DoesNotTakeTheLackOfANameForAnAttempt) {
  try {
    ClientPath::parse("");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.details, "");
  }
}

TEST(ClientPath, AnEmptyFolderIsTheRoot) {
  EXPECT_TRUE(ClientPath::parse_folder("").empty());
  EXPECT_EQ((ClientPath::parse_folder("") / ClientPath::parse("a")).text(), "a");
}

TEST(ClientPath, TellsFolderAndName) {
  const ClientPath path = ClientPath::parse("a/b/c.png");
  EXPECT_EQ(path.name(), "c.png");
  EXPECT_EQ(path.folder().text(), "a/b");
  EXPECT_EQ(path.renamed("d.png").text(), "a/b/d.png");
  EXPECT_THROW(path.renamed(".."), Error);
}

TEST(AnnotatedName, CutsTheAnnotationOff) {
  const auto check = [](const char* text, const char* name, Area area) {
    const AnnotatedName found = parse_annotated(text, Area::input);
    EXPECT_EQ(found.name, name);
    EXPECT_EQ(found.area, area);
  };
  check("x.png", "x.png", Area::input);
  check("x.png [output]", "x.png", Area::output);
  check("sub/x.png [temp]", "sub/x.png", Area::temp);
  check("x.png[input]", "x.png", Area::input);
  check("x.png [user]", "x.png [user]", Area::input);
}

}  // namespace
}  // namespace comfy::paths
