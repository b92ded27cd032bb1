// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace comfy::server {

/// Sizes and times a client may not exceed (security.md, section 5).
struct Limits {
  std::size_t request_line = 8'190;
  std::size_t header_field = 16'380;
  std::size_t header_total = 64 * 1024;
  std::size_t header_count = 100;
  std::chrono::milliseconds header_time{10'000};
  std::chrono::milliseconds idle_time{75'000};
  std::chrono::milliseconds body_grace{10'000};   ///< after it `body_rate` must be kept
  std::size_t body_rate = 1'024;                  ///< bytes per second
  std::chrono::milliseconds write_stall{60'000};  ///< a peer that takes nothing for so long is cut
  std::size_t connections = 4'096;
  std::size_t connections_per_address = 64;  ///< of an address that is not loopback
  std::size_t small_body = 1024 * 1024;
  std::size_t upload_body = 100 * 1024 * 1024;
  std::size_t body_in_memory = 1024 * 1024;  ///< bigger ones go through a temporary file

  std::size_t sockets = 2'048;
  std::size_t sockets_per_user = 64;  ///< with authentication
  std::size_t socket_message = 4 * 1024 * 1024;
  std::size_t socket_messages_per_second = 20;
  std::size_t socket_queue_frames = 1'000;
  std::size_t socket_queue_bytes = 4 * 1024 * 1024;
  std::chrono::milliseconds socket_ping{20'000};
  std::chrono::milliseconds socket_silence{60'000};

  std::uint64_t min_free_space = std::uint64_t{1} << 30;  ///< bytes an upload leaves on the disk
  std::size_t decode_memory = std::size_t{2} << 30;       ///< bytes for decoding one picture
  std::size_t image_text = std::size_t{16} << 20;         ///< bytes of one text in a picture
};

/// The scripts of one extension of the page, served under /extensions/<name>.
struct Extension {
  std::string name;
  std::filesystem::path folder;
};

/// Where the parts that are served as they lie are found. An empty path is not served.
struct Parts {
  std::filesystem::path web;   ///< the page: the static folder of the front-end package
  std::filesystem::path docs;  ///< help texts of nodes, served under /docs
  std::vector<std::filesystem::path> templates;  ///< folders searched in turn for /templates
  std::string templates_version;                 ///< of their package, where that is known
  std::vector<Extension> extensions;             ///< those that come along, then those of plug-ins
  std::filesystem::path catalogue;  ///< catalogue.json, the node definitions of the build
};

/// PEM files for HTTPS; all empty: plain HTTP.
struct TlsFiles {
  std::filesystem::path certificate = {};  ///< with the chain behind it
  std::filesystem::path key = {};
  std::filesystem::path client_authority =
      {};  ///< clients must show a certificate of it; empty: none
};

/// How this server listens and whom it answers. main fills it from the command line.
struct Settings {
  std::vector<std::string> listen{"127.0.0.1"};  ///< addresses, IPv4 or IPv6
  std::uint16_t port = 8188;                     ///< 0: any free one
  bool insecure_no_auth = false;           ///< lets an address that is not loopback be listened on
  std::optional<std::string> cors_origin;  ///< "*" or one origin
  bool compress_responses = false;
  bool multi_user = false;
  std::vector<std::string> allowed_hosts;    ///< a leading "." stands for all subdomains
  std::vector<std::string> allowed_origins;  ///< full origins, for instance https://a.example
  std::vector<std::string> trusted_proxies;  ///< addresses and networks
  TlsFiles tls;
  std::string external_address;        ///< URL under which clients reach this server
  std::filesystem::path temporary;     ///< for big bodies; empty: the system's own folder
  std::vector<std::string> arguments;  ///< shown by /system_stats, already free of secrets
  Limits limits;
  Parts parts;
};

}  // namespace comfy::server
