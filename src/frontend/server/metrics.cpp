// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/metrics.h"

#include "frontend/jobs/jobs.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace comfy::server {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

/// Bounds of the latency histogram, in seconds.
const prometheus::Histogram::BucketBoundaries kBounds{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

/// A family of one value.
MetricFamily single(MetricType type, std::string name, std::string help, double value) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {std::move(name), std::move(help), type, {metric}};
}

/// Pages of memory that are resident: the second number of /proc/self/statm.
double resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_files() {
  std::error_code ignored;
  const std::filesystem::directory_iterator files{"/proc/self/fd", ignored};
  return static_cast<double>(std::distance(begin(files), end(files)));
}

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("comfyui_http_requests_total")
          .Help("Answered requests by method, route and status.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& seconds =
      prometheus::BuildHistogram()
          .Name("comfyui_http_request_seconds")
          .Help("Time from the head of a request to the end of its answer, by route.")
          .Register(registry);
};

Metrics::Metrics() : state_{std::make_unique<State>()} {}
Metrics::~Metrics() = default;

void Metrics::count(Method method, std::string_view route, unsigned status,
                    std::chrono::steady_clock::duration took) {
  const std::string pattern{route};
  state_->requests
      .Add({{"method", std::string{method_name(method)}},
            {"route", pattern},
            {"status", std::to_string(status)}})
      .Increment();
  state_->seconds.Add({{"route", pattern}}, kBounds)
      .Observe(std::chrono::duration<double>{took}.count());
}

std::string Metrics::text(const Now& now) const {
  std::vector<MetricFamily> families = state_->registry.Collect();
  const auto gauge = [&families](const char* name, const char* help, auto value) {
    families.push_back(single(MetricType::Gauge, std::string{"comfyui_"} + name, help,
                              static_cast<double>(value)));
  };
  const auto counter = [&families](const char* name, const char* help, auto value) {
    families.push_back(single(MetricType::Counter, std::string{"comfyui_"} + name, help,
                              static_cast<double>(value)));
  };
  const jobs::Counts& jobs = now.jobs;
  gauge("queue_pending", "Prompts that wait.", jobs.pending);
  gauge("queue_running", "Prompts that run.", jobs.running);
  gauge("queue_paused", "1 while nothing is handed to workers.", jobs.paused);
  gauge("queue_unplaced", "Of the prompts that wait, those that no worker there can run.",
        now.unplaced);
  gauge("workers", "Workers that are there.", jobs.workers);
  gauge("store_writable", "1 while prompts can be written down.", jobs.store_writable);
  counter("prompts_accepted_total", "Prompts that were accepted.", jobs.accepted);
  counter("claims_total", "Prompts that a worker asked for.", jobs.claims);
  counter("attempts_total", "Attempts that were started.", jobs.attempts);
  counter("attempts_finished_total", "Attempts whose result was stored.", jobs.finished);
  counter("takeovers_total", "Attempts that began where an earlier one was lost.", jobs.takeovers);
  counter("stale_results_total", "Results of attempts that no longer counted.", jobs.stale_results);
  counter("ignored_messages_total", "Messages of workers that could not be used.",
          jobs.ignored_messages);
  gauge("websocket_sessions", "Open WebSocket connections.", now.sockets);
  counter("websocket_dropped_total", "WebSocket connections closed since they did not read.",
          now.sockets_dropped);
  if (now.broker) {
    gauge("broker_connected", "1 while the broker is connected.", now.broker->connected);
    gauge("broker_blocked", "1 while the broker takes no messages.", now.broker->blocked);
    counter("broker_connects_total", "Connections to the broker that came up.",
            now.broker->connects);
    counter("broker_published_total", "Messages handed to the broker.", now.broker->published);
    counter("broker_returned_total", "Messages that came back: nobody was there.",
            now.broker->returned);
    counter("broker_refused_total", "Messages refused for a full queue.", now.broker->refused);
    counter("broker_received_total", "Messages that came from the broker.", now.broker->received);
    counter("broker_garbage_total", "Messages of the broker that could not be read.",
            now.broker->garbage);
  }
  gauge("process_resident_bytes", "Resident memory of the server.", resident_bytes());
  gauge("process_open_files", "Open file descriptors of the server.", open_files());
  std::ostringstream text;
  prometheus::TextSerializer{}.Serialize(text, families);
  return text.str();
}

}  // namespace comfy::server
