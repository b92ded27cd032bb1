// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/link/rabbitmq/broker_state.h"
#include "foundation/link/worker_link.h"
#include "foundation/options/options.h"
#include "frontend/jobs/store.h"

#include <functional>
#include <memory>

namespace comfy {

/// The workers of this server, and how the broker between is doing where there is one.
struct Cluster {
  std::unique_ptr<link::WorkerLink> link = {};
  std::function<link::BrokerState()> broker = {};
};

/// Children of this process, or with --distributed-queue-frontend all workers at the broker.
/// Throws Error(invalid_input) for options that do not fit.
Cluster make_cluster(const options::Options& options, const jobs::JobStore& store);

}  // namespace comfy
