// SPDX-License-Identifier: GPL-3.0-or-later
#include "program.h"

#include "folders_of_options.h"
#include "foundation/base/clock.h"
#include "foundation/base/error.h"
#include "foundation/base/random.h"
#include "foundation/options/parse_options.h"
#include "foundation/paths/wipe.h"
#include "frontend/access/audit.h"
#include "frontend/server/features.h"
#include "frontend/server/log.h"
#include "frontend/server/routes/routes.h"
#include "parts.h"
#include "settings.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace comfy {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using server::log;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kBlockingThreads = 4;
constexpr std::chrono::seconds kRequestPatience{10};
constexpr std::chrono::seconds kQuickTestPatience{60};
constexpr std::chrono::hours kTempKept{24};

server::Settings complete(server::Settings settings, const options::Options& options) {
  settings.parts = find_parts(program_folder(), options.front_end_root);
  for (server::Extension& extension : plugin_extensions(plugin_choice(options)))
    settings.parts.extensions.push_back(std::move(extension));
  return settings;
}

/// Folders that must be there before the store and the first request.
const paths::Folders& made(const paths::Folders& folders, const options::Options& options) {
  folders.create_basic_directories();
  if (options.distributed_queue_frontend) {
    // Others show, or are just writing, what lies there.
    paths::wipe_unused(folders.area(paths::Area::temp).path(), kTempKept);
  } else {
    folders.wipe_temp();
  }
  return folders;
}

std::unique_ptr<jobs::JobStore> open_store(const options::Options& options,
                                           const paths::Folders& folders) {
  return jobs::open_sqlite_store(store_options(options, folders.user_directory()), system_random());
}

}  // namespace

Program::Program(const options::Options& options, const std::vector<std::string>& arguments)
    : options_{options},
      signals_{io_, SIGINT, SIGTERM},
      reloads_{io_, SIGHUP},
      logs_{system_clock()},
      settings_{complete(server_settings(options, arguments), options)},
      folders_{folder_options(options)},
      blocking_{kBlockingThreads},
      gate_{
          gate_options(options,
                       server::is_reachable_from_outside(server::listen_addresses(io_, settings_)),
                       made(folders_, options).user_directory()),
          system_clock(), system_random()},
      audit_{options.audit_log, system_clock()},
      catalogue_{folders_},
      relay_{io_.get_executor()},
      store_{open_store(options, folders_)},
      cluster_{make_cluster(options, *store_)},
      jobs_{{*store_, *cluster_.link, relay_, system_clock(), system_random()},
            hooked(jobs_options(options))},
      sessions_{io_.get_executor(), settings_.limits, system_random(), session_hooks()},
      services_{settings_, jobs_,     folders_,       catalogue_,      sessions_,
                logs_,     blocking_, system_clock(), system_random(), file_state_,
                metrics_,  gate_,     audit_},
      routes_{server::all_routes()},
      files_{server::mounts_of(settings_.parts)},
      server_{io_, services_, routes_, files_} {
  services_.broker = cluster_.broker;
  relay_.connect(sessions_);
  set_log_listener([this](std::string_view line) { logs_.add(line); });
  logs_.on_new([this] { asio::co_spawn(io_, show_logs(), asio::detached); });
}

Program::~Program() { set_log_listener({}); }

jobs::JobsOptions Program::hooked(jobs::JobsOptions options) {
  options.catalogue.classes = [this](const std::string& hash) { return catalogue_.classes(hash); };
  options.catalogue.models = [this](auto names) { catalogue_.set_worker_models(std::move(names)); };
  options.catalogue.needs = [this](const Json& prompt, const std::vector<std::string>& outputs) {
    return graph::requirements_of(prompt, outputs, *catalogue_.catalogue());
  };
  options.catalogue.received = [this](const std::string& hash, const Json& definitions) {
    try {
      catalogue_.receive(hash, definitions);
    } catch (const Error& error) {
      log.error("a worker's node definitions are not usable: {}", error.message);
    }
  };
  return options;
}

server::SessionHooks Program::session_hooks() {
  server::SessionHooks hooks;
  hooks.queue_remaining = [this] {
    const jobs::Counts counts = jobs_.counts();
    return counts.pending + counts.running;
  };
  hooks.catch_up = [this](const std::string& client_id, std::optional<std::uint64_t> since) {
    return jobs_.catch_up(client_id, since);
  };
  hooks.features = server::features(settings_);
  hooks.per_user = gate_.is_on();
  return hooks;
}

int Program::run() {
  if (settings_.parts.catalogue.empty()) {
    log.warn("catalogue.json is missing: prompts are refused until a worker has told its nodes");
  } else {
    catalogue_.load(settings_.parts.catalogue);
  }
  catalogue_.remember(folders_.user_directory() / "comfyui-nodes.json",
                      catalogue_key(settings_.parts.catalogue, plugin_choice(options_)),
                      system_clock());
  if (settings_.parts.web.empty()) {
    log.warn("the page is missing (share/comfyui/web); --front-end-root names another folder");
  }
  server_.listen();
  jobs_.start();
  if (!options_.dont_print_server) {
    for (const std::string& url : server_.urls()) log.info("ready: open {}", url);
  }
  show_new_key();
  asio::co_spawn(io_, wait_for_signal(), asio::detached);
  asio::co_spawn(io_, wait_for_reload(), asio::detached);
  if (options_.quick_test_for_ci) asio::co_spawn(io_, quick_test(), asio::detached);
  io_.run();
  return exit_status_;
}

awaitable<void> Program::wait_for_signal() {
  const auto [error, number] = co_await signals_.async_wait(kTuple);
  if (error) co_return;
  log.info("stopping ({})", number == SIGINT ? "SIGINT" : "SIGTERM");
  const auto drain = number == SIGINT ? std::chrono::milliseconds{0} : drain_time(options_);
  asio::co_spawn(io_, stop(drain), asio::detached);
  // A second signal ends the patience: what runs is given back. A third one does not wait for that
  // either, and the attempt that ran counts.
  const auto [again, second] = co_await signals_.async_wait(kTuple);
  if (again) co_return;
  log.info("stopping at once");
  jobs_.hurry();
  const auto [more, third] = co_await signals_.async_wait(kTuple);
  if (!more) ::_exit(128 + third);
}

awaitable<void> Program::wait_for_reload() {
  while (true) {
    const auto [error, number] = co_await reloads_.async_wait(kTuple);
    if (error) co_return;
    try {
      gate_.reload();
      server_.reload_tls();
      audit_.reopen();
      log.info("keys and certificates are read again (SIGHUP)");
      show_new_key();
    } catch (const Error& failure) {
      log.error("what was to be read again is kept as it was: {}", failure.message);
    }
  }
}

void Program::show_new_key() const {
  if (!gate_.new_key()) return;
  // Not through the log, which the page shows: the key is for whoever started the program.
  const std::vector<std::string> urls = server_.urls();
  fmt::print(
      stderr,
      "\nAuthentication is on. The key of the administrator, shown this once:\n\n  {}\n\n"
      "Open {}/?token={}\nPrograms send it as \"Authorization: Bearer KEY\". Only its hash is "
      "kept, in {}; remove that file and restart for another key.\n\n",
      *gate_.new_key(), urls.empty() ? std::string{} : urls.front(), *gate_.new_key(),
      gate_.generated_key_file().string());
  std::fflush(stderr);
}

awaitable<void> Program::stop(std::chrono::milliseconds drain) {
  const auto end_jobs = [this, drain] { jobs_.stop(drain); };
  co_await blocking_.run(end_jobs);
  const bool ended = co_await server_.stop(kRequestPatience);
  signals_.cancel();
  reloads_.cancel();
  if (ended) co_return;
  log.warn("a connection does not end; leaving without it");
  ::_exit(exit_status_);
}

awaitable<void> Program::quick_test() {
  asio::steady_timer pause{io_};
  const auto end = std::chrono::steady_clock::now() + kQuickTestPatience;
  while (jobs_.counts().workers == 0 && std::chrono::steady_clock::now() < end) {
    pause.expires_after(std::chrono::milliseconds{50});
    co_await pause.async_wait(kTuple);
  }
  if (jobs_.counts().workers == 0 && worker_count(options_) > 0) {
    log.error("no worker came up within {} s", kQuickTestPatience.count());
    exit_status_ = 1;
  }
  co_await stop(std::chrono::milliseconds{0});
}

awaitable<void> Program::show_logs() {
  const Json entries = logs_.take_new();
  if (!sessions_.has_log_subscribers()) co_return;
  sessions_.send_logs(std::make_shared<const std::string>(to_json(server::logs_message(entries))));
}

}  // namespace comfy
