// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// For tests: a whole server on a free port of the loopback device, and a client that sends bytes.

#include "foundation/base/clock.h"
#include "foundation/base/json.h"
#include "foundation/base/random.h"
#include "foundation/link/worker_link.h"
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

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace comfy::server {

/// A link that no worker ever uses: prompts stay in the queue.
class SilentLink final : public link::WorkerLink {
 public:
  void start(link::WorkerListener&) override {}
  void send(const link::WorkerKey&, link::Message) override {}
  void kill(const link::WorkerKey&) override {}
  void stop(std::chrono::milliseconds) override {}
};

/// A folder below the system's temporary one that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, std::string_view text) const;

 private:
  std::filesystem::path path_;
};

/// Everything of the server program but its workers, with the node classes of
/// tests/protocol/object_info_small.json, on a thread of its own.
class LoopbackServer {
 public:
  /// Rows beside those of the product, for tests of the way requests take.
  explicit LoopbackServer(Settings settings = {}, std::vector<Route> more = {},
                          access::GateOptions gate = {});
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::uint16_t port() const { return port_; }
  const TemporaryFolder& base() const { return base_; }
  Sessions& sessions() { return *sessions_; }
  jobs::Jobs& jobs() { return *jobs_; }
  EventRelay& relay() { return relay_; }
  LogRing& logs() { return logs_; }
  Services& services() { return *services_; }
  access::Gate& gate() { return gate_; }
  const RouteTable& routes() const { return *routes_; }
  const Settings& settings() const { return settings_; }
  /// Ends the server as SIGTERM would.
  void stop();
  /// Sends SIGTERM's order without waiting for its end.
  void begin_stop(std::chrono::milliseconds patience);

 private:
  Settings complete(Settings settings) const;

  TemporaryFolder base_;
  Settings settings_;
  boost::asio::io_context io_{1};
  LogRing logs_{system_clock()};
  paths::Folders folders_;
  BlockingPool blocking_{2};
  FileState file_state_;
  Metrics metrics_;
  CatalogueStore catalogue_{folders_};
  EventRelay relay_{io_.get_executor()};
  SilentLink link_;
  std::unique_ptr<jobs::JobStore> store_;
  std::unique_ptr<jobs::Jobs> jobs_;
  std::unique_ptr<Sessions> sessions_;
  access::Gate gate_;
  access::Audit audit_;
  std::optional<Services> services_;
  std::optional<RouteTable> routes_;
  std::optional<StaticFiles> files_;
  std::optional<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// What came back.
struct Reply {
  unsigned status = 0;
  Headers headers;
  std::string body;

  Json json() const { return parse_json(body); }
  std::string header(std::string_view name) const {
    return std::string{headers.find(name).value_or("")};
  }
};

/// One connection, byte by byte. Every wait ends after five seconds.
class LoopbackClient {
 public:
  explicit LoopbackClient(std::uint16_t port);
  ~LoopbackClient();
  LoopbackClient(const LoopbackClient&) = delete;
  LoopbackClient& operator=(const LoopbackClient&) = delete;

  void send(std::string_view bytes);
  /// One answer; of a HEAD request there is no body. Throws std::runtime_error when the connection
  /// ends before it is whole.
  enum class Expect { body, head };
  Reply receive(Expect expect = Expect::body);
  /// What has come, at least a byte. Throws std::runtime_error when the connection ends first.
  std::string receive_some();
  /// True when the server has ended the connection and nothing more came.
  bool is_closed();

 private:
  bool fill();
  int socket_ = -1;
  std::string buffer_;
};

/// A request with a proper Host header, sent on a connection of its own.
struct Ask {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::string host = "127.0.0.1:8188";
};
std::string request_text(const Ask& ask);
Reply ask(const LoopbackServer& server, const Ask& ask);

}  // namespace comfy::server
