// SPDX-License-Identifier: GPL-3.0-or-later
#include "settings.h"

#include "foundation/base/error.h"
#include "foundation/base/log.h"
#include "foundation/base/strings.h"
#include "frontend/access/private_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace comfy {
namespace {

/// The names of the flags that were given, without values: those may be paths or secrets. The
/// editor would look for the manager's routes, which this server has not.
std::vector<std::string> shown_arguments(const std::vector<std::string>& arguments) {
  std::vector<std::string> shown{"comfyui"};
  for (const std::string& argument : arguments) {
    if (!argument.starts_with("--") || argument.starts_with("--enable-manager")) continue;
    shown.push_back(argument.substr(0, argument.find('=')));
  }
  return shown;
}

std::size_t at_least(int value, int least, std::string_view option) {
  if (value < least) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("--{} must be {} or more, got {}", option, least, value)};
  }
  return static_cast<std::size_t>(value);
}

std::chrono::milliseconds seconds(double value, std::string_view option) {
  constexpr double kMost = 365.0 * 24 * 3600;
  if (!(value >= 0) || value > kMost) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("--{} must lie in [0, {}] seconds, got {}", option, kMost, value)};
  }
  return std::chrono::milliseconds{std::llround(value * 1000)};
}

/// Empty stays empty.
std::filesystem::path absolute(const std::string& path) {
  return path.empty() ? std::filesystem::path{} : std::filesystem::absolute(path);
}

}  // namespace

server::Settings server_settings(const options::Options& options,
                                 const std::vector<std::string>& arguments) {
  server::Settings settings;
  settings.listen.clear();
  for (const std::string_view address : split(options.listen, ',')) {
    settings.listen.emplace_back(trim(address));
  }
  if (options.port < 0 || options.port > 65'535) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("--port must lie in [0, 65535], got {}", options.port)};
  }
  settings.port = static_cast<std::uint16_t>(options.port);
  settings.insecure_no_auth = options.insecure_no_auth;
  if (!options.enable_cors_header.empty()) settings.cors_origin = options.enable_cors_header;
  settings.compress_responses = options.enable_compress_response_body;
  settings.multi_user = options.multi_user;
  settings.allowed_hosts = options.allowed_host;
  settings.allowed_origins = options.allowed_origin;
  settings.trusted_proxies = options.trusted_proxy;
  settings.tls = {.certificate = absolute(options.tls_certfile),
                  .key = absolute(options.tls_keyfile),
                  .client_authority = absolute(options.tls_client_ca)};
  settings.external_address = options.external_address;
  settings.arguments = shown_arguments(arguments);
  constexpr double kMebibyte = 1024 * 1024;
  if (!(options.max_upload_size > 0) || options.max_upload_size > 1024 * 1024) {
    throw Error{Error::Kind::invalid_input,
                fmt::format("--max-upload-size must lie in (0, 1048576] MB, got {}",
                            options.max_upload_size)};
  }
  settings.limits.upload_body =
      static_cast<std::size_t>(std::llround(options.max_upload_size * kMebibyte));
  const auto bytes = [](double mebibytes) {
    return static_cast<std::uint64_t>(std::max(mebibytes, 0.0) * kMebibyte);
  };
  settings.limits.min_free_space = bytes(options.min_free_space);
  settings.limits.decode_memory = bytes(options.max_decode_memory);
  settings.limits.image_text = bytes(options.max_image_text);
  return settings;
}

jobs::JobsOptions jobs_options(const options::Options& options) {
  jobs::JobsOptions jobs;
  jobs.max_queue_size = at_least(options.max_queue_size, 1, "max-queue-size");
  jobs.max_queue_per_user = at_least(options.max_queue_per_user, 1, "max-queue-per-user");
  jobs.max_attempts = static_cast<int>(at_least(options.max_attempts, 1, "max-attempts"));
  jobs.start_paused = options.start_paused;
  if (options.distributed_queue_frontend)
    jobs.restart = jobs::JobsOptions::Restart::attempts_may_live;
  jobs.stall = seconds(options.stall_seconds, "stall-seconds");
  drain_time(options);  // A bad one is refused now and not when it is needed.
  jobs.cancel_grace = seconds(options.cancel_seconds, "cancel-seconds");
  return jobs;
}

std::chrono::milliseconds drain_time(const options::Options& options) {
  return seconds(options.drain_seconds, "drain-seconds");
}

jobs::SqliteOptions store_options(const options::Options& options,
                                  const std::filesystem::path& user_directory) {
  constexpr std::string_view kScheme = "sqlite:///";
  jobs::SqliteOptions store;
  store.file = user_directory / "comfyui-jobs.db";
  if (!options.database_url.empty()) {
    if (!options.database_url.starts_with(kScheme)) {
      throw Error{Error::Kind::invalid_input,
                  "--database-url must look like sqlite:///PATH; other stores are not offered yet"};
    }
    store.file = std::filesystem::absolute(options.database_url.substr(kScheme.size()));
  }
  store.history_max_jobs = at_least(options.history_max_jobs, 0, "history-max-jobs");
  if (!(options.history_max_bytes >= 0) || options.history_max_bytes > 1e18) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("--history-max-bytes must be 0 or more, got {}", options.history_max_bytes)};
  }
  store.history_max_bytes = static_cast<std::uint64_t>(options.history_max_bytes);
  return store;
}

namespace {

access::TokenRules token_rules(const options::Options& options) {
  constexpr std::size_t kKeyMost = 64 * 1024;
  auto key = access::read_private_file(options.jwt_key_file, kKeyMost);
  if (!key) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("--jwt-key-file must name a file, found none at \"{}\"", options.jwt_key_file)};
  }
  // A secret is often written with a newline behind it that is no part of it.
  return {.algorithm = *access::find_algorithm(options.jwt_algorithm),
          .key = std::string{trim(*key)},
          .issuer = options.jwt_issuer,
          .audience = options.jwt_audience};
}

}  // namespace

access::GateOptions gate_options(const options::Options& options, bool outside,
                                 const std::filesystem::path& user_directory) {
  const bool configured =
      options.authentication || !options.api_key_file.empty() || !options.jwt_key_file.empty();
  if (configured && options.insecure_no_auth) {
    throw Error{Error::Kind::invalid_input,
                "--insecure-no-auth and a file of keys exclude each other"};
  }
  access::GateOptions gate;
  gate.on = configured || (outside && !options.insecure_no_auth);
  if (!options.api_key_file.empty()) gate.key_file = absolute(options.api_key_file);
  if (!options.jwt_key_file.empty()) gate.tokens = token_rules(options);
  gate.state_folder = user_directory / ".access";
  return gate;
}

std::size_t worker_count(const options::Options& options) {
  if (options.workers == "auto") return 1;
  std::size_t count = 0;
  const char* end = options.workers.data() + options.workers.size();
  const auto [last, error] = std::from_chars(options.workers.data(), end, count);
  if (error != std::errc{} || last != end || count > 64) {
    throw Error{
        Error::Kind::invalid_input,
        fmt::format("--workers must be auto or a number in [0, 64], got \"{}\"", options.workers)};
  }
  return count;
}

void set_up_log(const options::Options& options) {
  const std::string& level =
      options.logging_level.empty() ? options.verbose : options.logging_level;
  if (level == "DEBUG") set_log_level(LogLevel::debug);
  if (level == "WARNING") set_log_level(LogLevel::warn);
  if (level == "ERROR" || level == "CRITICAL") set_log_level(LogLevel::error);
  if (options.log_stdout) set_log_stream(LogStream::standard_output);
}

}  // namespace comfy
