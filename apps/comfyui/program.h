// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "cluster.h"
#include "foundation/options/options.h"
#include "foundation/paths/folders.h"
#include "frontend/access/audit.h"
#include "frontend/access/gate.h"
#include "frontend/jobs/jobs.h"
#include "frontend/jobs/store.h"
#include "frontend/server/catalogue_store.h"
#include "frontend/server/files/file_state.h"
#include "frontend/server/log_ring.h"
#include "frontend/server/metrics.h"
#include "frontend/server/server.h"
#include "frontend/server/services.h"
#include "frontend/server/sessions.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <memory>
#include <string>
#include <vector>

namespace comfy {

/// The server program: everything it is made of, in the order in which it is built and, backwards,
/// taken apart.
class Program {
 public:
  Program(const options::Options& options, const std::vector<std::string>& arguments);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Serves until SIGINT or SIGTERM; returns the exit status.
  int run();

 private:
  boost::asio::awaitable<void> wait_for_signal();
  boost::asio::awaitable<void> stop(std::chrono::milliseconds drain);
  boost::asio::awaitable<void> quick_test();
  boost::asio::awaitable<void> show_logs();
  jobs::JobsOptions hooked(jobs::JobsOptions options);
  server::SessionHooks session_hooks();
  boost::asio::awaitable<void> wait_for_reload();
  void show_new_key() const;

  const options::Options& options_;
  boost::asio::io_context io_{1};
  boost::asio::signal_set signals_;
  boost::asio::signal_set reloads_;
  server::LogRing logs_;
  server::Settings settings_;
  paths::Folders folders_;
  server::BlockingPool blocking_;
  server::FileState file_state_;
  server::Metrics metrics_;
  access::Gate gate_;
  access::Audit audit_;
  server::CatalogueStore catalogue_;
  server::EventRelay relay_;
  std::unique_ptr<jobs::JobStore> store_;
  Cluster cluster_;
  jobs::Jobs jobs_;
  server::Sessions sessions_;
  server::Services services_;
  server::RouteTable routes_;
  server::StaticFiles files_;
  server::Server server_;
  int exit_status_ = 0;
};

}  // namespace comfy
