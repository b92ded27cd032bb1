// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker_program.h"

#include "broker_of_options.h"
#include "folders_of_options.h"
#include "foundation/base/error.h"
#include "foundation/base/hash.h"
#include "foundation/base/strings.h"
#include "foundation/graph/requirements.h"
#include "foundation/link/socket/socket_server_link.h"
#include "worker/attempts/compute.h"
#include "worker/attempts/ledger.h"
#include "worker/attempts/log.h"
#include "worker/attempts/session.h"
#include "worker/attempts/validator_desk.h"
#include "worker/health/health_port.h"
#include "worker/nodes/all.h"
#include "worker/plugin/load_plugins.h"
#include "worker_settings.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace comfy {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 100ms;
constexpr auto kLookForModels = 2s;
constexpr auto kLastWords = 1000ms;
constexpr std::chrono::hours kLedgerKept{24};
// Of the machine's memory, for models kept between prompts.
constexpr double kModelShare = 0.6;

std::uint64_t total_memory() {
  struct sysinfo info{};
  ::sysinfo(&info);
  return std::uint64_t{info.totalram} * info.mem_unit;
}

std::uint64_t available_memory() {
  std::ifstream file{"/proc/meminfo"};
  std::string name;
  std::uint64_t kibibytes = 0;
  for (std::string unit; file >> name >> kibibytes; std::getline(file, unit))
    if (name == "MemAvailable:") return kibibytes * 1024;
  return 0;
}

/// The processor as a device, as /system_stats shows it.
Json devices() {
  const std::uint64_t total = total_memory();
  const std::uint64_t available = available_memory();
  return Json::Array{Json::Object{{"name", "cpu"},
                                  {"type", "cpu"},
                                  {"index", nullptr},
                                  {"vram_total", total},
                                  {"vram_free", available},
                                  {"torch_vram_total", total},
                                  {"torch_vram_free", available}}};
}

/// Ends with the server, and before it when memory runs out.
void tie_to_server() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::ofstream{"/proc/self/oom_score_adj"} << "500";
}

/// Signals are taken one at a time, by the main thread alone.
sigset_t take_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

attempts::SessionOptions session_options(const engine::Registry& registry) {
  attempts::SessionOptions session;
  session.hello = {.worker_id = fmt::format("worker-{}", ::getpid()),
                   .build_id = TORCH_VERSION,
                   .devices = devices(),
                   .labels = Json::Object{{"torch", TORCH_VERSION}},
                   .catalogue_hash = registry.catalogue().hash()};
  session.catalogue = [&registry] { return registry.catalogue().to_json(); };
  return session;
}

/// The way to the server, and how the broker in between is, where there is one.
struct Door {
  std::unique_ptr<link::ServerLink> link;
  std::function<link::BrokerState()> broker = {};
};

Door open_door(const options::Options& options) {
  if (options.link_fd >= 0) return {.link = link::make_socket_server_link(options.link_fd)};
  auto link = link::make_rabbit_server_link(broker_options(options, "worker"));
  const link::RabbitServerLink& rabbit = *link;
  return {.link = std::move(link), .broker = [&rabbit] { return rabbit.state(); }};
}

/// Null without --health-port.
std::unique_ptr<health::HealthPort> open_health_port(const options::Options& options) {
  if (options.health_port == 0) return nullptr;
  if (options.health_port < 0 || options.health_port > 65'535)
    throw Error(Error::Kind::invalid_input,
                fmt::format("--health-port: 0 to 65535 expected, got {}", options.health_port));
  std::vector<std::string> addresses;
  for (const std::string_view address : split(options.listen, ','))
    addresses.emplace_back(trim(address));
  return std::make_unique<health::HealthPort>(addresses,
                                              static_cast<std::uint16_t>(options.health_port));
}

/// Ready: the broker carries messages, and the worker is not on its way out.
health::Report how_it_is(const Door& door, const attempts::Session& session) {
  health::Report report{.ready = !session.draining(), .parts = {{"stopping", session.draining()}}};
  if (!door.broker) return report;
  const link::BrokerState broker = door.broker();
  report.ready = report.ready && broker.connected && !broker.blocked;
  report.parts["broker"] = link::to_json(broker);
  return report;
}

/// What /metrics shows of the broker; nothing without one.
std::vector<health::Figure> figures_of(const Door& door) {
  if (!door.broker) return {};
  using Kind = health::Figure::Kind;
  const link::BrokerState broker = door.broker();
  return {
      {"broker_connected", "1 while the broker is connected.", Kind::gauge, broker.connected},
      {"broker_blocked", "1 while the broker takes no messages.", Kind::gauge, broker.blocked},
      {"broker_connects_total", "Connections to the broker that came up.", Kind::counter,
       broker.connects},
      {"broker_published_total", "Messages handed to the broker.", Kind::counter, broker.published},
      {"broker_returned_total", "Messages that came back: nobody was there.", Kind::counter,
       broker.returned},
      {"broker_received_total", "Messages that came from the broker.", Kind::counter,
       broker.received},
      {"broker_garbage_total", "Messages of the broker that could not be used.", Kind::counter,
       broker.garbage}};
}

/// The model files that a prompt reads, in whichever of the folders they lie.
std::vector<std::string> models_of(const link::Go& go, const engine::Registry& registry) {
  std::vector<std::string> names;
  for (const auto& files :
       graph::requirements_of(go.prompt, go.outputs, registry.catalogue()).models)
    names.insert(names.end(), files.begin(), files.end());
  return names;
}

/// Tells the servers of a cluster which models this worker finds, as they come and go.
class ModelWatch {
 public:
  ModelWatch(const paths::Folders& folders, attempts::Session& session)
      : folders_{folders}, session_{session} {}

  /// Called often; looks every two seconds.
  void tick() {
    if (std::chrono::steady_clock::now() < next_) return;
    next_ = std::chrono::steady_clock::now() + kLookForModels;
    std::vector<std::uint64_t> generations;
    for (const std::string& kind : folders_.model_kinds())
      generations.push_back(folders_.models(kind)->generation);
    if (generations == std::exchange(seen_, generations)) return;
    Json::Object lists;
    for (const std::string& kind : folders_.model_kinds())
      lists[kind] = Json::array(folders_.models(kind)->names());
    const Json all = std::move(lists);
    session_.set_models(to_hex(sha256(to_compact_json(all))), all);
  }

 private:
  const paths::Folders& folders_;
  attempts::Session& session_;
  std::chrono::steady_clock::time_point next_{};
  std::vector<std::uint64_t> seen_;
};

void serve_signals(attempts::Session& session, ModelWatch* models, const sigset_t& signals,
                   double drain_seconds) {
  const timespec patience{0, std::chrono::nanoseconds{kTick}.count()};
  bool asked = false;
  while (!session.ended()) {
    const int number = sigtimedwait(&signals, nullptr, &patience);
    if (number > 0) {
      const bool at_once = asked || number == SIGINT;
      asked = true;
      session.drain(std::chrono::milliseconds{
          at_once ? 0 : std::llround(std::max(0.0, drain_seconds) * 1000)});
    }
    if (models != nullptr) models->tick();
    session.tick();
  }
}

}  // namespace

void print_catalogue() {
  engine::Registry registry;
  nodes::register_all_nodes(registry);
  fmt::print("{}\n", to_compact_json(registry.catalogue().to_json()));
  if (std::fflush(stdout) != 0)
    throw Error(Error::Kind::unavailable, "the catalogue was not written");
}

void work(const options::Options& options) {
  const bool is_child = options.link_fd >= 0;
  if (is_child) tie_to_server();
  const sigset_t signals = take_signals();
  // The link comes first: it refuses what is no address or descriptor before anything long is done.
  const Door door = open_door(options);
  const std::unique_ptr<health::HealthPort> health = open_health_port(options);
  engine::Registry registry;
  nodes::register_all_nodes(registry);
  plugin::load_plugins(plugin_choice(options), registry);
  const paths::Folders folders{folder_options(options)};
  attempts::Ledger::sweep(folders.area(paths::Area::output).path(), kLedgerKept);
  residency::Residency residency{
      static_cast<std::size_t>(static_cast<double>(total_memory()) * kModelShare)};
  nodes::Services services{
      .folders = folders,
      .residency = residency,
      .precision = precision_policy(options),
      .metadata = options.disable_metadata ? nodes::Metadata::left_out : nodes::Metadata::written,
      .decode_limits = decode_limits(options)};
  if (options.disable_pickle) services.pickles = formats::PickleFiles::refuse;
  engine::ExecutorOptions executor_settings;
  executor_settings.cache = cache_options(options, available_memory);
  executor_settings.on_out_of_memory = [&residency] { residency.free(); };
  engine::Executor executor{registry, &services, executor_settings};
  attempts::Compute compute{
      {.executor = executor,
       .folders = folders,
       .clock = system_clock(),
       .preview_method = options.preview_method,
       .previews = preview_options(options),
       .unload_models = [&residency] { residency.free(); },
       .devices = devices,
       .models = [&registry](const link::Go& go) { return models_of(go, registry); }}};
  std::optional<attempts::ValidatorDesk> validators;
  attempts::SessionOptions settings = session_options(registry);
  // What a child is in the middle of belongs to the server that started it.
  if (is_child) settings.on_server_lost = [] { ::_exit(0); };
  settings.settle_after = hold_time(options);
  settings.asked = [&validators](link::Question question) { validators->ask(std::move(question)); };
  attempts::Session session{std::move(settings), compute, system_clock()};
  validators.emplace(registry,
                     [&session](const link::Verdict& verdict) { session.answer(verdict); });
  compute.attach(session);
  // A child finds what its server finds.
  std::optional<ModelWatch> models;
  if (!is_child) models.emplace(folders, session).tick();
  session.connect(*door.link);
  if (health)
    health->serve([&] { return how_it_is(door, session); }, [&] { return figures_of(door); });
  serve_signals(session, models ? &*models : nullptr, signals, options.drain_seconds);
  door.link->flush(kLastWords);
  // Threads that compute are not waited for: what they do no longer counts.
  ::_exit(0);
}

}  // namespace comfy
