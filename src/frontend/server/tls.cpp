// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/tls.h"

#include "foundation/base/error.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>

namespace comfy::server {
namespace {

namespace ssl = boost::asio::ssl;

constexpr std::string_view kProtocol = "\x08http/1.1";

/// Answers a client that lists protocols (ALPN); one that knows no HTTP/1.1 is turned away.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_length, void*) {
  const auto* ours = reinterpret_cast<const unsigned char*>(kProtocol.data());
  unsigned char* found = nullptr;
  const int outcome =
      SSL_select_next_proto(&found, length, ours, kProtocol.size(), offered, offered_length);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void require(const boost::system::error_code& error, const char* option,
             const std::filesystem::path& file) {
  if (!error) return;
  throw Error{Error::Kind::invalid_input,
              fmt::format("{} \"{}\" cannot be used: {}", option, file.string(), error.message())};
}

}  // namespace

Channel::TlsContext make_tls_context(const TlsFiles& files) {
  if (files.certificate.empty() && files.key.empty()) {
    if (files.client_authority.empty()) return nullptr;
    throw Error{Error::Kind::invalid_input,
                "--tls-client-ca needs --tls-certfile and --tls-keyfile too"};
  }
  if (files.certificate.empty() || files.key.empty()) {
    throw Error{Error::Kind::invalid_input,
                "--tls-certfile and --tls-keyfile must be given together"};
  }
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(
      native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  boost::system::error_code error;
  context->use_certificate_chain_file(files.certificate.string(), error);
  require(error, "--tls-certfile", files.certificate);
  context->use_private_key_file(files.key.string(), ssl::context::pem, error);
  require(error, "--tls-keyfile", files.key);
  if (SSL_CTX_check_private_key(native) != 1) {
    ERR_clear_error();
    throw Error{Error::Kind::invalid_input,
                fmt::format("--tls-keyfile \"{}\" must be the key of the certificate in \"{}\"",
                            files.key.string(), files.certificate.string())};
  }
  if (!files.client_authority.empty()) {
    context->load_verify_file(files.client_authority.string(), error);
    require(error, "--tls-client-ca", files.client_authority);
    context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    SSL_CTX_set_client_CA_list(native, SSL_load_client_CA_file(files.client_authority.c_str()));
  }
  return context;
}

}  // namespace comfy::server
