// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace comfy::models::text {

inline constexpr std::int64_t kStartToken = 49406;
inline constexpr std::int64_t kEndToken = 49407;

/// CLIP's byte-pair vocabulary of 49408 entries, read from its file (a list of merges, gzip or
/// plain) when the first text comes.
class Vocabulary {
 public:
  explicit Vocabulary(std::filesystem::path file);
  ~Vocabulary();

  /// The tokens of a text as CLIP's tokenizer in transformers gives them (without ftfy), no marks
  /// around. Bytes that are no UTF-8 are left out.
  /// Throws Error(not_found | invalid_input) when the file is missing or is no list of merges.
  std::vector<std::int64_t> encode(std::string_view text) const;

  const std::filesystem::path& file() const { return file_; }

 private:
  struct Merges;
  const Merges& merges() const;

  std::filesystem::path file_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const Merges> merges_;
};

/// The vocabulary installed beside this program, <exe>/../share/comfyui/vocab/; always the same
/// object, so that it is read once.
std::shared_ptr<const Vocabulary> default_vocabulary();

}  // namespace comfy::models::text
