// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/token.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/base/strings.h"
#include "frontend/access/base64.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace comfy::access {
namespace {

using Algorithm = TokenRules::Algorithm;

constexpr std::array<std::string_view, 3> kAlgorithms{"HS256", "RS256", "ES256"};
constexpr std::size_t kLongestToken = 8 * 1024;
constexpr std::size_t kShortestSecret = 32;
constexpr int kSmallestRsa = 2048;
constexpr std::size_t kEcdsaHalf = 32;
/// How far the clocks of this machine and the issuer may be apart.
constexpr double kLeeway = 30;

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using Bio = std::unique_ptr<BIO, Releaser<&BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Releaser<&EVP_PKEY_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Releaser<&EVP_MD_CTX_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Releaser<&ECDSA_SIG_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

[[noreturn]] void refuse(std::string what) { throw Error{Error::Kind::forbidden, std::move(what)}; }

[[noreturn]] void refuse_key(std::string_view what) {
  throw Error{Error::Kind::invalid_input, fmt::format("the key of tokens {}", what)};
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  std::size_t length = 0;
  return EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
         (std::string_view{group.data(), length} == "prime256v1" ||
          std::string_view{group.data(), length} == "P-256");
}

Key read_public_key(const TokenRules& rules) {
  const Bio text{BIO_new_mem_buf(rules.key.data(), static_cast<int>(rules.key.size()))};
  Key key{PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr)};
  ERR_clear_error();
  if (!key) refuse_key("must be a public key in PEM (-----BEGIN PUBLIC KEY-----)");
  const int kind = EVP_PKEY_get_base_id(key.get());
  if (rules.algorithm == Algorithm::rs256) {
    if (kind != EVP_PKEY_RSA) refuse_key("must be an RSA key for RS256");
    if (EVP_PKEY_get_bits(key.get()) < kSmallestRsa) refuse_key("must have 2048 bits or more");
  } else if (kind != EVP_PKEY_EC || !is_p256(key.get())) {
    refuse_key("must lie on the curve P-256 for ES256");
  }
  return key;
}

/// The DER form of a signature that a token carries as two numbers of 32 bytes.
std::vector<unsigned char> der_of(std::string_view signature) {
  if (signature.size() != 2 * kEcdsaHalf) return {};
  const EcdsaSignature parts{ECDSA_SIG_new()};
  BIGNUM* r = BN_bin2bn(bytes_of(signature), kEcdsaHalf, nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(signature.substr(kEcdsaHalf)), kEcdsaHalf, nullptr);
  ECDSA_SIG_set0(parts.get(), r, s);
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &out);
  if (size <= 0) return {};
  std::vector<unsigned char> der(out, out + size);
  OPENSSL_free(out);
  return der;
}

bool public_key_signed(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  const DigestContext context{EVP_MD_CTX_new()};
  const bool good = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                                     bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return good;
}

bool secret_signed(const std::string& secret, std::string_view text, std::string_view signature) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> code{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(text),
           text.size(), code.data(), &size) == nullptr) {
    return false;
  }
  return signature.size() == size && CRYPTO_memcmp(code.data(), signature.data(), size) == 0;
}

Json read_part(std::string_view text, const char* name) {
  const auto decoded = decode_base64url(text);
  if (!decoded) refuse(fmt::format("the token's {} must be base64url", name));
  try {
    Json part = parse_json(*decoded, {.max_bytes = kLongestToken, .max_depth = 8});
    if (part.is_object()) return part;
  } catch (const Error&) {
    // said below
  }
  refuse(fmt::format("the token's {} must be a JSON object", name));
}

bool is_plain_id(const Json& value) {
  return value.is_string() && value.as_string().size() <= 128 &&
         std::ranges::all_of(value.as_string(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '=';
         });
}

/// The header may only say what is known already. A key or the address of one inside a token would
/// let the token prove itself.
void check_header(const Json& header, Algorithm algorithm) {
  for (const auto& [name, value] : header.as_object()) {
    if (name == "alg") continue;
    const bool harmless =
        (name == "typ" && value.is_string()) || (name == "kid" && is_plain_id(value));
    if (!harmless) {
      refuse(fmt::format("the token's header may hold alg, typ and a plain kid, got {}",
                         python_repr(Json{name.substr(0, 32)})));
    }
  }
  const std::string_view wanted = kAlgorithms[static_cast<std::size_t>(algorithm)];
  const Json* named = header.find("alg");
  if (named == nullptr || !named->is_string() || named->as_string() != wanted) {
    refuse(fmt::format("the token must be signed with {}", wanted));
  }
}

/// A time claim in seconds since 1970; nothing when it is absent.
std::optional<double> time_of(const Json& claims, const char* name) {
  const Json* value = claims.find(name);
  if (value == nullptr) return {};
  // Far enough away for anybody, near enough to be counted in milliseconds.
  constexpr double kLast = 4e12;
  if (!value->is_number() || !std::isfinite(value->as_double()) ||
      std::abs(value->as_double()) > kLast) {
    refuse(fmt::format("the token's {} must be a time in seconds", name));
  }
  return value->as_double();
}

bool names_audience(const Json& value, const std::string& audience) {
  if (value.is_string()) return value.as_string() == audience;
  if (!value.is_array()) return false;
  return std::ranges::any_of(value.as_array(), [&](const Json& one) {
    return one.is_string() && one.as_string() == audience;
  });
}

void check_parties(const Json& claims, const TokenRules& rules) {
  if (!rules.issuer.empty() && claims.string_or("iss", "") != rules.issuer) {
    refuse("the token must come from the issuer that is configured");
  }
  const Json* audience = claims.find("aud");
  if (rules.audience.empty() ? audience != nullptr
                             : audience == nullptr || !names_audience(*audience, rules.audience)) {
    refuse("the token must be meant for this server (aud)");
  }
}

Claims read_claims(const Json& claims, const TokenRules& rules, std::chrono::milliseconds now) {
  const double seconds = static_cast<double>(now.count()) / 1000;
  const auto expires = time_of(claims, "exp");
  if (!expires) refuse("the token must say when it expires (exp)");
  if (*expires + kLeeway <= seconds) refuse("the token has expired");
  const auto begins = time_of(claims, "nbf");
  if (begins && *begins - kLeeway > seconds) refuse("the token is not valid yet (nbf)");
  check_parties(claims, rules);
  const std::string subject = claims.string_or("sub", "");
  if (subject.empty() || subject.size() > 1024) refuse("the token must name its user (sub)");
  Claims result;
  result.user = user_id_of(subject);
  result.expires = std::chrono::milliseconds{static_cast<std::int64_t>(*expires * 1000)};
  if (const Json* role = claims.find("role")) {
    const auto found = role->is_string() ? find_role(role->as_string()) : std::nullopt;
    if (!found) refuse("the token's role must be read, submit or admin");
    result.role = *found;
  }
  return result;
}

}  // namespace

struct TokenVerifier::State {
  TokenRules rules;
  Key key;

  bool is_signed(std::string_view text, std::string_view signature) const {
    if (rules.algorithm == Algorithm::hs256) return secret_signed(rules.key, text, signature);
    if (rules.algorithm == Algorithm::rs256) return public_key_signed(key.get(), text, signature);
    const std::vector<unsigned char> der = der_of(signature);
    return !der.empty() &&
           public_key_signed(key.get(), text,
                             {reinterpret_cast<const char*>(der.data()), der.size()});
  }
};

std::optional<Algorithm> find_algorithm(std::string_view name) {
  const auto found = std::ranges::find(kAlgorithms, name);
  if (found == kAlgorithms.end()) return {};
  return static_cast<Algorithm>(found - kAlgorithms.begin());
}

TokenVerifier::TokenVerifier(const TokenRules& rules)
    : state_{std::make_unique<State>(State{rules, nullptr})} {
  if (rules.algorithm != Algorithm::hs256) {
    state_->key = read_public_key(rules);
  } else if (rules.key.size() < kShortestSecret) {
    refuse_key(fmt::format("must have {} bytes or more for HS256, got {}", kShortestSecret,
                           rules.key.size()));
  } else if (rules.key.find("-----BEGIN") != rules.key.npos) {
    // A public key as the secret is what forgers hope for.
    refuse_key("must not be in PEM for HS256");
  }
}

TokenVerifier::~TokenVerifier() = default;
TokenVerifier::TokenVerifier(TokenVerifier&&) noexcept = default;
TokenVerifier& TokenVerifier::operator=(TokenVerifier&&) noexcept = default;

Claims TokenVerifier::verify(std::string_view token, std::chrono::milliseconds now) const {
  if (token.size() > kLongestToken) {
    refuse(fmt::format("a token must not exceed {} bytes, got {}", kLongestToken, token.size()));
  }
  const auto parts = split(token, '.');
  if (parts.size() != 3) refuse("a token must have three parts");
  check_header(read_part(parts[0], "header"), state_->rules.algorithm);
  const auto signature = decode_base64url(parts[2]);
  if (!signature || signature->empty()) refuse("the token's signature must be base64url");
  const std::string_view text = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!state_->is_signed(text, *signature)) refuse("the token's signature does not hold");
  return read_claims(read_part(parts[1], "claims"), state_->rules, now);
}

}  // namespace comfy::access
