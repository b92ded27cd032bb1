// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/access/token.h"

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/base/strings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <map>
#include <memory>

namespace comfy::access {
namespace {

using Algorithm = TokenRules::Algorithm;
using std::chrono::milliseconds;

constexpr milliseconds kNow{1'700'000'000'000};
const std::string kSecret = "0123456789abcdef0123456789abcdef";

std::string base64url(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    for (bits += 8; bits >= 6; bits -= 6) text += kDigits[held >> (bits - 6) & 63];
  }
  if (bits > 0) text += kDigits[held << (6 - bits) & 63];
  return text;
}

/// A pair of keys that lives as long as the program.
struct Pair {
  EVP_PKEY* key = nullptr;
  std::string pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  std::string sign(std::string_view text) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    const auto* data = reinterpret_cast<const unsigned char*>(text.data());
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
    std::size_t size = 0;
    EVP_DigestSign(context, nullptr, &size, data, text.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                   text.size());
    signature.resize(size);
    EVP_MD_CTX_free(context);
    return signature;
  }
};

const Pair& rsa() {
  static const Pair pair{EVP_RSA_gen(2048)};
  return pair;
}
const Pair& small_rsa() {
  static const Pair pair{EVP_RSA_gen(1024)};
  return pair;
}
const Pair& p256() {
  static const Pair pair{EVP_EC_gen("P-256")};
  return pair;
}
const Pair& p384() {
  static const Pair pair{EVP_EC_gen("P-384")};
  return pair;
}

std::string hmac(const std::string& secret, std::string_view text) {
  std::string code(32, '\0');
  unsigned size = 32;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(code.data()), &size);
  return code;
}

/// The two numbers of an ECDSA signature as a token carries them.
std::string raw_ecdsa(const std::string& der) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size()));
  std::string raw(64, '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(parts), reinterpret_cast<unsigned char*>(raw.data()), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(parts), reinterpret_cast<unsigned char*>(raw.data()) + 32, 32);
  ECDSA_SIG_free(parts);
  return raw;
}

std::string unsigned_token(std::string_view header, std::string_view claims) {
  return base64url(header) + "." + base64url(claims);
}
std::string hs256(std::string_view header, std::string_view claims,
                  const std::string& secret = kSecret) {
  const std::string text = unsigned_token(header, claims);
  return text + "." + base64url(hmac(secret, text));
}
std::string rs256(std::string_view header, std::string_view claims, const Pair& pair = rsa()) {
  const std::string text = unsigned_token(header, claims);
  return text + "." + base64url(pair.sign(text));
}
std::string es256(std::string_view header, std::string_view claims, const Pair& pair = p256()) {
  const std::string text = unsigned_token(header, claims);
  return text + "." + base64url(raw_ecdsa(pair.sign(text)));
}

constexpr std::string_view kHs = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::string_view kRs = R"({"alg":"RS256","typ":"JWT","kid":"key-1"})";
constexpr std::string_view kEs = R"({"alg":"ES256"})";
constexpr std::string_view kGood = R"({"sub":"ann","exp":1700000100,"role":"submit"})";

TokenVerifier verifier(Algorithm algorithm, std::string issuer = {}, std::string audience = {}) {
  std::string key = kSecret;
  if (algorithm == Algorithm::rs256) key = rsa().pem();
  if (algorithm == Algorithm::es256) key = p256().pem();
  return TokenVerifier{TokenRules{algorithm, key, std::move(issuer), std::move(audience)}};
}

bool holds(const TokenVerifier& verifier, const std::string& token, milliseconds now = kNow) {
  try {
    verifier.verify(token, now);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::forbidden) << error.message;
    EXPECT_EQ(error.message.find(kSecret), std::string::npos);
    return false;
  }
}

TEST(Tokens, HoldWithTheRightSignature) {
  const Claims claims = verifier(Algorithm::hs256).verify(hs256(kHs, kGood), kNow);
  EXPECT_EQ(claims.user, "ann");
  EXPECT_EQ(claims.role, Role::submit);
  EXPECT_EQ(claims.expires, milliseconds{1'700'000'100'000});
  EXPECT_TRUE(holds(verifier(Algorithm::rs256), rs256(kRs, kGood)));
  EXPECT_TRUE(holds(verifier(Algorithm::es256), es256(kEs, kGood)));
}

TEST(Tokens, OfAnyOtherHeaderAreForged) {
  const std::vector<std::string> headers{R"({"alg":"none"})",
                                         R"({"alg":"None"})",
                                         R"({"alg":"NONE"})",
                                         R"({"alg":"nOnE"})",
                                         R"({"alg":""})",
                                         R"({})",
                                         R"({"alg":null})",
                                         R"({"alg":["HS256"]})",
                                         R"({"alg":"hs256"})",
                                         R"({"alg":"HS384"})",
                                         R"({"alg":"HS512"})",
                                         R"({"alg":"RS256"})",
                                         R"({"alg":"ES256"})",
                                         R"({"alg":"PS256"})",
                                         R"({"alg":"EdDSA"})",
                                         R"({"alg":"HS256 "})",
                                         R"({"alg":"HS256","alg":"none"})",
                                         R"({"alg":"HS256","kid":"../../dev/null"})",
                                         R"({"alg":"HS256","kid":"/etc/hostname"})",
                                         R"({"alg":"HS256","kid":"a' OR 1=1"})",
                                         R"({"alg":"HS256","kid":5})",
                                         R"({"alg":"HS256","kid":"a|id"})",
                                         R"({"alg":"HS256","jku":"https://evil.test/keys"})",
                                         R"({"alg":"HS256","x5u":"https://evil.test/cert"})",
                                         R"({"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}})",
                                         R"({"alg":"HS256","x5c":["AAAA"]})",
                                         R"({"alg":"HS256","crit":["exp"]})",
                                         R"({"alg":"HS256","zip":"DEF"})",
                                         R"({"alg":"HS256","b64":false,"crit":["b64"]})",
                                         R"({"alg":"HS256","typ":5})",
                                         R"([{"alg":"HS256"}])",
                                         R"("HS256")",
                                         "",
                                         "{",
                                         R"({"alg":"HS256"}x)"};
  const TokenVerifier verify = verifier(Algorithm::hs256);
  for (const std::string& header : headers) {
    EXPECT_FALSE(holds(verify, hs256(header, kGood))) << header;
  }
  EXPECT_GE(headers.size(), 35u);
}

TEST(Tokens, WithAnyOtherSignatureAreForged) {
  const std::string good = hs256(kHs, kGood);
  const std::string text = unsigned_token(kHs, kGood);
  std::vector<std::string> forged{
      text,
      text + ".",
      text + ".AAAA",
      "." + text,
      good + ".",
      good + ".x",
      good + "=",
      good + " ",
      " " + good,
      good + "A",
      good.substr(0, good.size() - 1),
      "..",
      ".",
      "",
      "a.b.c",
      replace_all(good, ".", ".."),
      replace_all(good, "-", "+") + "+",
      hs256(kHs, kGood, std::string(32, '\0')),
      hs256(kHs, kGood, ""),
      hs256(kHs, kGood, kSecret + "x"),
      hs256(kHs, kGood, rsa().pem()),
      hs256(kHs, R"({"sub":"root","exp":1700000100})", "guess"),
      unsigned_token(kHs, R"({"sub":"root","exp":1700000100,"role":"admin"})") +
          good.substr(good.rfind('.')),
      unsigned_token(R"({"alg":"none"})", kGood) + ".",
      std::string(9'000, 'a') + "." + good,
      text + "." + base64url(hmac(kSecret, text).substr(0, 31)),
      text + "." + base64url(hmac(kSecret, text) + "x")};
  // Bits of the last letter that no encoder sets must not give the signature a second spelling.
  std::string respelled = good;
  respelled.back() = static_cast<char>(respelled.back() + 1);
  forged.push_back(respelled);
  const TokenVerifier verify = verifier(Algorithm::hs256);
  for (const std::string& token : forged) EXPECT_FALSE(holds(verify, token)) << token.substr(0, 80);
}

TEST(Tokens, ForOneAlgorithmAreForgedForAnother) {
  const std::map<Algorithm, std::string> good{{Algorithm::hs256, hs256(kHs, kGood)},
                                              {Algorithm::rs256, rs256(kRs, kGood)},
                                              {Algorithm::es256, es256(kEs, kGood)}};
  for (const auto& [taken, ignored] : good) {
    for (const auto& [used, token] : good) {
      EXPECT_EQ(holds(verifier(taken), token), taken == used);
    }
  }
  // The oldest trick: the public key, which is no secret, as the secret of HS256.
  EXPECT_FALSE(holds(verifier(Algorithm::rs256), hs256(kHs, kGood, rsa().pem())));
  EXPECT_FALSE(holds(verifier(Algorithm::rs256), hs256(kRs, kGood, rsa().pem())));
  EXPECT_FALSE(holds(verifier(Algorithm::es256), hs256(kEs, kGood, p256().pem())));
  static const Pair other{EVP_EC_gen("P-256")};
  EXPECT_FALSE(holds(verifier(Algorithm::es256), es256(kEs, kGood, other)));
  const std::string text = unsigned_token(kEs, kGood);
  EXPECT_FALSE(holds(verifier(Algorithm::es256), text + "." + base64url(std::string(64, '\0'))));
  EXPECT_FALSE(holds(verifier(Algorithm::es256), text + "." + base64url(p256().sign(text))))
      << "DER is another spelling";
  std::string der_free = raw_ecdsa(p256().sign(text));
  EXPECT_FALSE(holds(verifier(Algorithm::es256), text + "." + base64url(der_free.substr(0, 63))));
  EXPECT_FALSE(holds(verifier(Algorithm::rs256),
                     unsigned_token(kRs, kGood) + "." + base64url(std::string(256, '\1'))));
}

TEST(Tokens, WhoseClaimsDoNotHoldAreRefused) {
  const TokenVerifier verify = verifier(Algorithm::hs256);
  for (const char* claims : {R"({"sub":"ann"})",
                             R"({"sub":"ann","exp":null})",
                             R"({"sub":"ann","exp":"1700000100"})",
                             R"({"sub":"ann","exp":1699999970})",
                             R"({"sub":"ann","exp":-1})",
                             R"({"sub":"ann","exp":1e300})",
                             R"({"sub":"ann","exp":Infinity})",
                             R"({"sub":"ann","exp":NaN})",
                             R"({"sub":"ann","exp":18446744073709551615})",
                             R"({"sub":"ann","exp":1700000100,"nbf":1700000031})",
                             R"({"sub":"ann","exp":1700000100,"nbf":"x"})",
                             R"({"exp":1700000100})",
                             R"({"sub":"","exp":1700000100})",
                             R"({"sub":5,"exp":1700000100})",
                             R"({"sub":["ann"],"exp":1700000100})",
                             R"({"sub":"ann","exp":1700000100,"role":"root"})",
                             R"({"sub":"ann","exp":1700000100,"role":["admin"]})",
                             R"({"sub":"ann","exp":1700000100,"aud":"another"})",
                             R"({"sub":"ann","sub":"root","exp":1700000100})",
                             "[]",
                             "null",
                             "",
                             "{"}) {
    EXPECT_FALSE(holds(verify, hs256(kHs, claims))) << claims;
  }
  EXPECT_TRUE(holds(verify, hs256(kHs, R"({"sub":"ann","exp":1699999971})"))) << "clocks differ";
  EXPECT_TRUE(holds(verify, hs256(kHs, R"({"sub":"ann","exp":1700000100.5,"nbf":1700000029})")));
  EXPECT_EQ(verify.verify(hs256(kHs, R"({"sub":"../../x","exp":1700000100})"), kNow).user,
            user_id_of("../../x"));
}

TEST(Tokens, ComeFromTheIssuerAndForTheAudienceThatAreConfigured) {
  const TokenVerifier verify = verifier(Algorithm::hs256, "https://issuer.example", "comfy");
  const auto with = [](std::string_view rest) {
    return hs256(kHs, fmt::format(R"({{"sub":"ann","exp":1700000100{}}})", rest));
  };
  EXPECT_TRUE(holds(verify, with(R"(,"iss":"https://issuer.example","aud":"comfy")")));
  EXPECT_TRUE(holds(verify, with(R"(,"iss":"https://issuer.example","aud":["x","comfy"])")));
  for (const char* rest : {"", R"(,"iss":"https://issuer.example")", R"(,"aud":"comfy")",
                           R"(,"iss":"https://issuer.example/","aud":"comfy")",
                           R"(,"iss":["https://issuer.example"],"aud":"comfy")",
                           R"(,"iss":"https://issuer.example","aud":"comfyui")",
                           R"(,"iss":"https://issuer.example","aud":[])",
                           R"(,"iss":"https://issuer.example","aud":[["comfy"]])",
                           R"(,"iss":"https://issuer.example","aud":{"comfy":1})"}) {
    EXPECT_FALSE(holds(verify, with(rest))) << rest;
  }
}

TEST(TokenRules, RefuseKeysThatDoNotFitOrAreWeak) {
  const auto refused = [](Algorithm algorithm, const std::string& key) {
    try {
      TokenVerifier{TokenRules{algorithm, key, {}, {}}};
      return false;
    } catch (const Error& error) {
      return error.kind == Error::Kind::invalid_input;
    }
  };
  EXPECT_TRUE(refused(Algorithm::hs256, "short"));
  EXPECT_TRUE(refused(Algorithm::hs256, rsa().pem()));
  EXPECT_TRUE(refused(Algorithm::rs256, kSecret));
  EXPECT_TRUE(refused(Algorithm::rs256, p256().pem()));
  EXPECT_TRUE(refused(Algorithm::rs256, small_rsa().pem()));
  EXPECT_TRUE(refused(Algorithm::es256, rsa().pem()));
  EXPECT_TRUE(refused(Algorithm::es256, p384().pem()));
  EXPECT_TRUE(refused(Algorithm::es256, ""));
  EXPECT_FALSE(refused(Algorithm::es256, p256().pem()));
}

}  // namespace
}  // namespace comfy::access
