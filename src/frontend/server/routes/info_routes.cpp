// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/jobs.h"
#include "frontend/server/catalogue_store.h"
#include "frontend/server/features.h"
#include "frontend/server/files/client_files.h"
#include "frontend/server/gzip.h"
#include "frontend/server/routes/routes.h"
#include "frontend/server/services.h"

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
  const Parts& parts = services.settings.parts;
  const auto workers = services.jobs.workers();
  const Json system = Json::Object{
      {"os", "posix"},
      {"ram_total", memory.total},
      {"ram_free", memory.available},
      {"comfyui_version", kComfyVersion},
      {"required_frontend_version", kRequiredFrontend},
      {"installed_templates_version",
       parts.templates_version.empty() ? Json{} : Json{parts.templates_version}},
      {"required_templates_version", kRequiredTemplates},
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
  using Coding = CatalogueStore::Coding;
  const auto accepted = request.headers.find("Accept-Encoding");
  const Coding coding = accepted && accepts_gzip(*accepted) ? Coding::gzip : Coding::plain;
  const auto work = [&services, &request, coding] {
    return services.catalogue.object_info(user_of(request, services), coding);
  };
  CatalogueStore::Info info = co_await services.blocking.run(work);
  Response response = json_bytes(std::move(info.bytes));
  response.headers.add("ETag", std::move(info.etag));
  response.headers.add("Cache-Control", "no-cache");
  response.headers.add("Vary", "Accept-Encoding");
  if (coding == Coding::gzip) response.headers.add("Content-Encoding", "gzip");
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

}  // namespace

std::vector<Route> info_routes() {
  return {
      {Method::get, "/system_stats", get_system_stats},
      {Method::get, "/features", get_features},
      {Method::get, "/object_info", get_object_info},
      {Method::get, "/object_info/{node_class}", get_class_info},
      {Method::get, "/node_replacements", get_nothing},
  };
}

}  // namespace comfy::server
