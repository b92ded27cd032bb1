// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace comfy::paths {

/// Paths that try to leave the folder they are given for, each aiming at `target` somewhere above
/// or at an absolute place, spelled in the ways that have fooled servers; and names that are merely
/// malformed. For tests: none of them may ever reach anything.
inline std::vector<std::string> hostile_names(const std::string& target) {
  const std::vector<std::string> ups{"..",
                                     "..",
                                     ".. ",
                                     "...",
                                     "..;",
                                     "..%00",
                                     ".%2e",
                                     "%2e%2e",
                                     "%252e%252e",
                                     "..%c0%af",
                                     "\xC0\xAE\xC0\xAE",
                                     "\xE2\x80\xA5",
                                     "..\t",
                                     ". .",
                                     "\uFF0E\uFF0E"};
  const std::vector<std::string> slashes{"/",   "\\",    "//",       "/./",    "%2f",
                                         "%5c", "%252f", "\xC0\xAF", "\u2215", "/\\"};
  std::vector<std::string> names;
  for (const std::string& up : ups) {
    for (const std::string& slash : slashes) {
      names.push_back(up + slash + target);
      names.push_back(up + slash + up + slash + up + slash + target);
    }
  }
  for (const char* before :
       {"sub/../../", "sub/sub/../../../", "./../", "a/../../", "sub/.././../"})
    names.push_back(before + target);
  const std::string nul(1, '\0');
  for (const std::string& one : std::vector<std::string>{"/etc/passwd",
                                                         "//etc/passwd",
                                                         "/proc/self/environ",
                                                         "/proc/self/root/etc/passwd",
                                                         "file:///etc/passwd",
                                                         "C:\\windows\\win.ini",
                                                         "c:/windows/win.ini",
                                                         "\\\\host\\share",
                                                         "..",
                                                         ".",
                                                         "../",
                                                         "./",
                                                         "/",
                                                         "//",
                                                         "\\",
                                                         nul,
                                                         "a" + nul + ".png",
                                                         "../" + target + nul,
                                                         "a\nb",
                                                         "a\rb",
                                                         "a\x7F"
                                                         "b",
                                                         "\x01",
                                                         "CON",
                                                         "con.png",
                                                         "NUL",
                                                         "aux.json",
                                                         "com1",
                                                         "LPT9.txt",
                                                         "a/../b",
                                                         "a/./b",
                                                         "a.",
                                                         "a ",
                                                         "a/b./c",
                                                         "a/b /c",
                                                         std::string(256, 'x'),
                                                         std::string(1025, 'y'),
                                                         std::string(600, 'd') + "/" + target,
                                                         "\xFF\xFE",
                                                         "\xED\xA0\x80",
                                                         "\xF8\x88\x80\x80\x80",
                                                         "~",
                                                         "~root/.ssh",
                                                         "$HOME",
                                                         "${HOME}",
                                                         "%HOME%",
                                                         "`id`",
                                                         "$(id)",
                                                         "|id",
                                                         ";id",
                                                         "-rf",
                                                         "--help",
                                                         "*",
                                                         "?",
                                                         "[a-z]*",
                                                         "{a,b}",
                                                         "x [output]",
                                                         "x [nowhere]",
                                                         ".comfy/ledger",
                                                         "__system/key"})
    names.push_back(one);
  return names;
}

}  // namespace comfy::paths
