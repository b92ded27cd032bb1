// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/save_name.h"

#include "foundation/base/strings.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

namespace comfy::paths {
namespace {

std::string fill_tokens(std::string text, int width, int height, const std::tm& time) {
  if (text.find('%') == text.npos) return text;
  const auto two = [](int value) { return fmt::format("{:02}", value); };
  const std::pair<const char*, std::string> tokens[] = {
      {"%width%", fmt::format("{}", width)},
      {"%height%", fmt::format("{}", height)},
      {"%year%", fmt::format("{}", time.tm_year + 1900)},
      {"%month%", two(time.tm_mon + 1)},
      {"%day%", two(time.tm_mday)},
      {"%hour%", two(time.tm_hour)},
      {"%minute%", two(time.tm_min)},
      {"%second%", two(time.tm_sec)}};
  for (const auto& [token, value] : tokens) text = replace_all(std::move(text), token, value);
  return text;
}

/// "a/./b/../c" as Python's normpath writes it; a ".." that has nothing left to remove stays, and
/// is refused as every other client path.
std::string normalised(std::string_view text) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(text, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else {
      parts.emplace_back(part);
    }
  }
  return (text.starts_with('/') ? "/" : "") + join(parts, "/");
}

/// The number that a file of this prefix carries: the digits between the prefix's "_" and the next
/// one; 0 when they are none; nothing for another prefix.
std::optional<unsigned> counter_of(std::string_view filename, std::string_view prefix) {
  if (filename.size() <= prefix.size() || !filename.starts_with(prefix) ||
      filename[prefix.size()] != '_')
    return {};
  const std::string_view rest = filename.substr(prefix.size() + 1);
  const std::string_view digits = rest.substr(0, rest.find('_'));
  unsigned value = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (fault != std::errc{} || end != digits.data() + digits.size()) return 0;
  return value;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

unsigned next_counter(FileDescriptor folder, std::string_view prefix) {
  const std::unique_ptr<DIR, CloseFolder> stream{::fdopendir(folder.get())};
  if (!stream) return 1;
  folder.release();  // closed with the stream
  unsigned highest = 0;
  while (const dirent* entry = ::readdir(stream.get()))
    highest = std::max(highest, counter_of(entry->d_name, prefix).value_or(0));
  return highest + 1;
}

}  // namespace

std::string SaveName::filename(unsigned number, unsigned batch_number,
                               std::string_view extension) const {
  const std::string filled = replace_all(prefix, "%batch_num%", fmt::format("{}", batch_number));
  return fmt::format("{}_{:05}_.{}", filled, number, extension);
}

SaveName find_save_name(const Root& root, std::string_view filename_prefix, int width, int height,
                        const std::tm& local_time) {
  const std::string text =
      normalised(fill_tokens(std::string{filename_prefix}, width, height, local_time));
  SaveName name;
  try {
    // the rules are about the file that comes of it, so a prefix may end in a blank
    const ClientPath path = ClientPath::parse(text + "_");
    name.folder = path.folder();
    name.prefix = path.name().substr(0, path.name().size() - 1);
  } catch (const Error& error) {
    throw Error(Error::Kind::invalid_input,
                "Saving image outside the output folder is not allowed: filename_prefix " +
                    error.message.substr(error.message.find(' ') + 1));
  }
  if (root.status(name.folder))
    name.counter = next_counter(root.open_folder(name.folder), name.prefix);
  return name;
}

}  // namespace comfy::paths
