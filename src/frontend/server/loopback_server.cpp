// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/loopback_server.h"

#include "foundation/base/strings.h"
#include "foundation/graph/object_info.h"
#include "frontend/jobs/sqlite/sqlite_store.h"
#include "frontend/server/features.h"
#include "frontend/server/routes/routes.h"

#include <arpa/inet.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace comfy::server {
namespace {

namespace asio = boost::asio;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file)
    throw std::runtime_error{"run the test in the root of the repository: no " + path.string()};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

asio::awaitable<void> stop_server(Server& server, std::chrono::milliseconds patience) {
  const bool ended = co_await server.stop(patience);
  if (!ended) std::abort();  // the test must not go on with loose ends
}

paths::FolderOptions folders_in(const std::filesystem::path& base, bool per_user) {
  paths::FolderOptions options;
  options.base = base;
  options.per_user = per_user;
  return options;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "comfyui-server-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::write(const std::string& name, std::string_view text) const {
  std::filesystem::create_directories((path_ / name).parent_path());
  std::ofstream{path_ / name, std::ios::binary} << text;
}

Settings LoopbackServer::complete(Settings settings) const {
  settings.port = 0;
  base_.write("web/index.html", "<!doctype html><title>page</title>");
  base_.write("web/scripts/app.js", "export const app = 1;");
  base_.write("web/assets/picture.png", "PNG");
  base_.write("web/assets/long.js", std::string(100'000, 'x'));
  base_.write("extensions/pack/main.js", "import '../../scripts/app.js';");
  base_.write("templates/index.json", "[]");
  base_.write("docs/KSampler/en.md", "# KSampler");
  base_.write("secret.txt", "secret");
  if (settings.parts.web.empty()) settings.parts.web = base_.path() / "web";
  settings.parts.extensions = {{"pack", base_.path() / "extensions" / "pack"}};
  settings.parts.templates = {base_.path() / "templates"};
  settings.parts.docs = base_.path() / "docs";
  return settings;
}

LoopbackServer::LoopbackServer(Settings settings, std::vector<Route> more, access::GateOptions gate)
    : settings_{complete(std::move(settings))},
      folders_{folders_in(base_.path(), settings_.multi_user)},
      gate_{std::move(gate), system_clock(), system_random()},
      audit_{base_.path() / "audit.jsonl", system_clock()} {
  folders_.create_basic_directories();
  const graph::Catalogue nodes = graph::catalogue_from_object_info(
      parse_json(read_file("tests/protocol/object_info_small.json")));
  catalogue_.receive(nodes.hash(), nodes.to_json());
  jobs::SqliteOptions store;
  store.file = folders_.user_directory() / "jobs.db";
  store.reserve_bytes = 1 << 16;
  store_ = jobs::open_sqlite_store(store, system_random());
  jobs_ = std::make_unique<jobs::Jobs>(
      jobs::Jobs::Services{*store_, link_, relay_, system_clock(), system_random()},
      jobs::JobsOptions{});
  SessionHooks hooks;
  hooks.queue_remaining = [this] { return jobs_->counts().pending + jobs_->counts().running; };
  hooks.catch_up = [this](const std::string& id, std::optional<std::uint64_t> since) {
    return jobs_->catch_up(id, since);
  };
  hooks.features = features(settings_);
  hooks.per_user = gate_.is_on();
  sessions_ = std::make_unique<Sessions>(io_.get_executor(), settings_.limits, system_random(),
                                         std::move(hooks));
  relay_.connect(*sessions_);
  services_.emplace(Services{settings_, *jobs_, folders_, catalogue_, *sessions_, logs_, blocking_,
                             system_clock(), system_random(), file_state_, metrics_, gate_,
                             audit_});
  std::vector<Route> rows = all_routes();
  rows.insert(rows.end(), more.begin(), more.end());
  routes_.emplace(std::move(rows));
  files_.emplace(mounts_of(settings_.parts));
  server_.emplace(io_, *services_, *routes_, *files_);
  logs_.on_new([this] {
    asio::post(io_, [this] {
      sessions_->send_logs(
          std::make_shared<const std::string>(to_json(logs_message(logs_.take_new()))));
    });
  });
  server_->listen();
  port_ = server_->port();
  jobs_->start();
  thread_ = std::thread{[this] { io_.run(); }};
}

LoopbackServer::~LoopbackServer() { stop(); }

void LoopbackServer::begin_stop(std::chrono::milliseconds patience) {
  asio::co_spawn(io_, stop_server(*server_, patience), asio::detached);
}

void LoopbackServer::stop() {
  if (!thread_.joinable()) return;
  jobs_->stop(std::chrono::milliseconds{0});
  begin_stop(std::chrono::milliseconds{500});
  thread_.join();
}

LoopbackClient::LoopbackClient(std::uint16_t port) : socket_{::socket(AF_INET, SOCK_STREAM, 0)} {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{5, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error{"the server takes no connection"};
  }
}

LoopbackClient::~LoopbackClient() { ::close(socket_); }

void LoopbackClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the answer, or its absence, tells the rest
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool LoopbackClient::fill() {
  char piece[65536];
  const ssize_t got = ::recv(socket_, piece, sizeof piece, 0);
  if (got <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(got));
  return true;
}

std::string LoopbackClient::receive_some() {
  if (buffer_.empty() && !fill()) throw std::runtime_error{"the connection ended"};
  return std::exchange(buffer_, {});
}

bool LoopbackClient::is_closed() {
  char piece;
  return buffer_.empty() && ::recv(socket_, &piece, 1, 0) == 0;
}

Reply LoopbackClient::receive(Expect expect) {
  const auto need = [this](bool there) {
    if (!there && !fill()) throw std::runtime_error{"the connection ended: " + buffer_};
    return !there;
  };
  std::size_t end = 0;
  do end = buffer_.find("\r\n\r\n");
  while (need(end != std::string::npos));
  Reply reply;
  const std::string head = buffer_.substr(0, end);
  buffer_.erase(0, end + 4);
  for (const std::string_view raw : split(head, '\n')) {
    const std::string_view line = trim(raw);
    const std::size_t colon = line.find(": ");
    if (reply.status == 0) {
      reply.status = static_cast<unsigned>(std::stoi(std::string{line.substr(9, 3)}));
    } else if (colon != std::string_view::npos) {
      reply.headers.add(std::string{line.substr(0, colon)}, std::string{line.substr(colon + 2)});
    }
  }
  if (expect == Expect::head || reply.status == 304 || reply.status == 204 || reply.status == 100) {
    return reply;
  }
  if (reply.header("Transfer-Encoding") == "chunked") {
    while (true) {
      std::size_t line = 0;
      do line = buffer_.find("\r\n");
      while (need(line != std::string::npos));
      const std::size_t size = std::stoul(buffer_.substr(0, line), nullptr, 16);
      while (need(buffer_.size() >= line + size + 4)) {
      }
      reply.body += buffer_.substr(line + 2, size);
      buffer_.erase(0, line + size + 4);
      if (size == 0) return reply;
    }
  }
  const std::string length = reply.header("Content-Length");
  if (length.empty()) {
    while (fill()) {
    }
    reply.body = std::exchange(buffer_, {});
    return reply;
  }
  const std::size_t size = std::stoul(length);
  while (need(buffer_.size() >= size)) {
  }
  reply.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return reply;
}

std::string request_text(const Ask& ask) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\n", ask.method, ask.target);
  if (!ask.host.empty()) text += fmt::format("Host: {}\r\n", ask.host);
  for (const auto& [name, value] : ask.headers) text += fmt::format("{}: {}\r\n", name, value);
  if (!ask.body.empty()) text += fmt::format("Content-Length: {}\r\n", ask.body.size());
  return text + "\r\n" + ask.body;
}

Reply ask(const LoopbackServer& server, const Ask& ask) {
  LoopbackClient client{server.port()};
  client.send(request_text(ask));
  return client.receive(ask.method == "HEAD" ? LoopbackClient::Expect::head
                                             : LoopbackClient::Expect::body);
}

}  // namespace comfy::server
