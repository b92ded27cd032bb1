// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/key_file.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <optional>

namespace comfy::access {
namespace {

constexpr std::size_t kMostKeys = 10'000;

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return {};
}

[[noreturn]] void refuse(const std::string& file, std::size_t line, std::string_view what) {
  throw Error{Error::Kind::invalid_input, fmt::format("{}:{}: {}", file, line, what)};
}

ApiKey parse_line(std::string_view line, const std::string& file, std::size_t number) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == line.npos ? first : line.find(':', first + 1);
  if (second == line.npos) refuse(file, number, "a key must be written as name:role:hash");
  ApiKey key;
  key.name = line.substr(0, first);
  if (!is_user_id(key.name)) {
    refuse(file, number,
           "a key's name must have 1 to 64 letters, digits and ._@-, and begin with a letter or "
           "digit");
  }
  const auto role = find_role(line.substr(first + 1, second - first - 1));
  if (!role) refuse(file, number, "a key's role must be read, submit or admin");
  key.role = *role;
  std::string_view digits = line.substr(second + 1);
  if (digits.starts_with("sha256:")) digits.remove_prefix(7);
  const auto hash = parse_digest(digits);
  if (!hash) {
    refuse(file, number,
           "a key's hash must be its SHA-256 in 64 lower-case hexadecimal digits (printf %s KEY | "
           "sha256sum)");
  }
  key.hash = *hash;
  return key;
}

}  // namespace

const ApiKey* KeyRing::find(std::string_view secret) const { return find(sha256(secret)); }

const ApiKey* KeyRing::find(const Digest& hash) const {
  const ApiKey* found = nullptr;
  for (const ApiKey& key : keys_) {
    if (::CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0) found = &key;
  }
  return found;
}

std::vector<ApiKey> parse_keys(std::string_view text, const std::string& file) {
  std::vector<ApiKey> keys;
  std::size_t number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    ApiKey key = parse_line(line, file, number);
    if (keys.size() == kMostKeys) refuse(file, number, "a key file may hold 10000 keys");
    keys.push_back(std::move(key));
  }
  std::vector<Digest> hashes;
  for (const ApiKey& key : keys) hashes.push_back(key.hash);
  std::ranges::sort(hashes);
  if (std::ranges::adjacent_find(hashes) != hashes.end()) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("{}: two names must not share one key", file)};
  }
  return keys;
}

std::optional<Digest> parse_digest(std::string_view text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return {};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto high = hex_digit(text[2 * i]);
    const auto low = hex_digit(text[2 * i + 1]);
    if (!high || !low) return {};
    digest[i] = static_cast<std::byte>(*high << 4 | *low);
  }
  return digest;
}

std::string to_line(const ApiKey& key) {
  return fmt::format("{}:{}:{}", key.name, role_name(key.role), to_hex(key.hash));
}

}  // namespace comfy::access
