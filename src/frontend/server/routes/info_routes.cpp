// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/paths/folders.h"
#include "frontend/jobs/jobs.h"
#include "frontend/server/catalogue_store.h"
#include "frontend/server/features.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"

#include <unistd.h>

#include <fstream>
#include <string>

namespace comfy::server {
namespace {

/// Bytes of memory, installed and available for programs.
struct Memory {
  std::uint64_t total = 0;
  std::uint64_t available = 0;
};

Memory machine_memory() {
  Memory memory;
  std::ifstream file{"/proc/meminfo"};
  std::string name, unit;
  std::uint64_t kibibytes = 0;
  while (file >> name >> kibibytes && std::getline(file, unit)) {
    if (name == "MemTotal:") memory.total = kibibytes * 1024;
    if (name == "MemAvailable:") memory.available = kibibytes * 1024;
  }
  return memory;
}

/// One device in the form of ComfyUI, which clients read without asking whether a key is there.
Json device_of(const Json& device) {
  const Json* index = device.find("index");
  return Json::Object{
      {"name", device.string_or("name", "cpu")},
      {"type", device.string_or("type", "cpu")},
      {"index", index != nullptr ? *index : Json{}},
      {"vram_total", device.int_or("vram_total", 0)},
      {"vram_free", device.int_or("vram_free", 0)},
      {"torch_vram_total", device.int_or("torch_vram_total", 0)},
      {"torch_vram_free", device.int_or("torch_vram_free", 0)},
  };
}

Json devices_of(const std::vector<jobs::WorkerView>& workers) {
  Json::Array devices;
  for (const jobs::WorkerView& worker : workers) {
    // A renewal knows the memory of now, the greeting that of the start.
    const Json* list = worker.state.find("devices");
    if (list == nullptr) list = worker.hello.find("devices");
    if (list == nullptr || !list->is_array()) continue;
    for (const Json& device : list->as_array()) devices.push_back(device_of(device));
  }
  return devices;
}

std::string library_version(const std::vector<jobs::WorkerView>& workers) {
  for (const jobs::WorkerView& worker : workers) {
    const Json* labels = worker.hello.find("labels");
    if (labels != nullptr && labels->find("torch")) return labels->string_or("torch", "");
  }
  return {};
}

awaitable<Response> get_system_stats(const Request&, Services& services) {
  const Memory memory = machine_memory();
  const auto workers = services.jobs.workers();
  const Json system = Json::Object{
      {"os", "posix"},
      {"ram_total", memory.total},
      {"ram_free", memory.available},
      {"comfyui_version", kComfyVersion},
      {"python_version", "none (C++ server)"},
      {"pytorch_version", library_version(workers)},
      {"embedded_python", false},
      {"argv", Json::array(services.settings.arguments)},
  };
  co_return json_response(Json::Object{{"system", system}, {"devices", devices_of(workers)}});
}

awaitable<Response> get_features(const Request&, Services& services) {
  co_return json_response(features(services.settings));
}

awaitable<Response> get_object_info(const Request& request, Services& services) {
  const auto work = [&services, &request] {
    return services.catalogue.object_info(user_of(request, services));
  };
  CatalogueStore::Info info = co_await services.blocking.run(work);
  Response response = json_bytes(std::move(info.bytes));
  response.headers.add("ETag", std::move(info.etag));
  response.headers.add("Cache-Control", "no-cache");
  co_return response;
}

awaitable<Response> get_class_info(const Request& request, Services& services) {
  const auto work = [&services, &request] {
    return services.catalogue.object_info_of(user_of(request, services), request.parameters.at(0));
  };
  co_return json_bytes(co_await services.blocking.run(work));
}

/// Lists that this server has no entries for, which the editor asks for all the same.
awaitable<Response> get_nothing(const Request&, Services&) {
  co_return json_response(Json::Object{});
}

awaitable<Response> get_null(const Request&, Services&) { co_return json_response(Json{}); }

awaitable<Response> get_health(const Request&, Services&) {
  co_return json_response(Json::Object{{"status", "ok"}});
}

/// True unless a folder of models is there and must not be read.
bool models_readable(const paths::Folders& folders) {
  for (const std::string& kind : folders.model_kinds()) {
    for (const paths::Root& root : folders.find_model_folder(kind)->roots) {
      const char* path = root.path().c_str();
      if (::access(path, F_OK) == 0 && ::access(path, R_OK | X_OK) != 0) return false;
    }
  }
  return true;
}

/// Ready: the store takes jobs, a worker can run them, models can be read. Each part is named.
awaitable<Response> get_readiness(const Request&, Services& services) {
  const jobs::Counts counts = services.jobs.counts();
  const auto work = [&services] { return models_readable(services.folders); };
  const bool models = co_await services.blocking.run(work);
  const bool worker = counts.workers > 0;
  const bool ready = counts.store_writable && worker && models;
  const Json parts = Json::Object{{"store_writable", counts.store_writable},
                                  {"worker", worker},
                                  {"models_readable", models},
                                  {"paused", counts.paused}};
  co_return json_response(Json::Object{{"status", ready ? "ready" : "not ready"}, {"parts", parts}},
                          ready ? 200 : 503);
}

}  // namespace

std::vector<Route> info_routes() {
  return {
      {Method::get, "/system_stats", get_system_stats},
      {Method::get, "/features", get_features},
      {Method::get, "/object_info", get_object_info},
      {Method::get, "/object_info/{node_class}", get_class_info},
      {Method::get, "/global_subgraphs", get_nothing},
      {Method::get, "/global_subgraphs/{id}", get_null},
      {Method::get, "/node_replacements", get_nothing},
      {Method::get, "/healthz", get_health, BodyLimit::small, Alias::none},
      {Method::get, "/readyz", get_readiness, BodyLimit::small, Alias::none},
  };
}

}  // namespace comfy::server
