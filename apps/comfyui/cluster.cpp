// SPDX-License-Identifier: GPL-3.0-or-later
#include "cluster.h"

#include "broker_of_options.h"
#include "foundation/base/error.h"
#include "foundation/link/rabbitmq/rabbit_worker_link.h"
#include "foundation/link/socket/child_link.h"
#include "foundation/options/parse_options.h"
#include "frontend/server/log.h"
#include "parts.h"
#include "settings.h"

#include <unistd.h>

#include <utility>
#include <vector>

namespace comfy {
namespace {

Cluster children(const options::Options& options) {
  options::ChildSettings settings = options::child_settings(options);
  const link::ChildCommand command{program_folder() / "comfyui-worker",
                                   std::move(settings.arguments), std::move(settings.environment)};
  return {.link = link::make_child_link(std::vector(worker_count(options), command))};
}

Cluster at_broker(const options::Options& options, const jobs::JobStore& store) {
  auto link = link::make_rabbit_worker_link(
      {.broker = broker_options(options, "frontend"),
       .store = store.store_id(),
       .on_conflict = [](const std::string& message) {
         // Nothing would ever work, and nothing has begun.
         server::log.error(
             "the broker has a queue or exchange of ours with other settings; delete it or choose "
             "another --distributed-queue-name: {}",
             message);
         ::_exit(1);
       }});
  const auto broker = [link = link.get()] { return link->state(); };
  return {.link = std::move(link), .broker = broker};
}

}  // namespace

Cluster make_cluster(const options::Options& options, const jobs::JobStore& store) {
  if (options.distributed_queue_frontend) return at_broker(options, store);
  if (options.distributed_queue_worker || !options.distributed_queue_connection_uri.empty())
    throw Error(
        Error::Kind::invalid_input,
        "comfyui takes --distributed-queue-connection-uri with --distributed-queue-frontend;"
        " comfyui-worker is the program that takes work");
  return children(options);
}

}  // namespace comfy
