// SPDX-License-Identifier: GPL-3.0-or-later
#include "worker/health/health_port.h"

#include "foundation/base/error.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <atomic>

namespace comfy::health {
namespace {

namespace asio = boost::asio;

/// All that comes back for these bytes.
std::string send_all(std::uint16_t port, const std::string& bytes) {
  asio::io_context io;
  asio::ip::tcp::socket socket{io};
  socket.connect({asio::ip::address_v4::loopback(), port});
  asio::write(socket, asio::buffer(bytes));
  std::string answer;
  boost::system::error_code end;
  asio::read(socket, asio::dynamic_buffer(answer), end);
  return answer;
}

std::string get(std::uint16_t port, const std::string& target, const std::string& method = "GET") {
  return send_all(port, method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

TEST(HealthPort, SaysThatItLivesAndWhetherItIsReady) {
  std::atomic<bool> ready = true;
  HealthPort port{{"127.0.0.1"}, 0};
  port.serve([&] { return Report{.ready = ready, .parts = {{"broker", ready.load()}}}; },
             [] { return std::vector<Figure>{}; });
  EXPECT_TRUE(get(port.port(), "/healthz").starts_with("HTTP/1.1 200"));
  const std::string good = get(port.port(), "/readyz");
  EXPECT_TRUE(good.starts_with("HTTP/1.1 200")) << good;
  EXPECT_TRUE(good.ends_with(R"({"status":"ready","parts":{"broker":true}})")) << good;
  ready = false;
  const std::string bad = get(port.port(), "/readyz");
  EXPECT_TRUE(bad.starts_with("HTTP/1.1 503")) << bad;
  EXPECT_TRUE(get(port.port(), "/healthz").starts_with("HTTP/1.1 200"));
}

TEST(HealthPort, ShowsFigures) {
  HealthPort port{{"127.0.0.1"}, 0};
  port.serve([] { return Report{}; },
             [] { return std::vector<Figure>{{.name = "x_total", .help = "Some.", .value = 3}}; });
  const std::string answer = get(port.port(), "/metrics");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer;
  EXPECT_TRUE(
      answer.ends_with("# HELP comfyui_worker_x_total Some.\n"
                       "# TYPE comfyui_worker_x_total counter\n"
                       "comfyui_worker_x_total 3\n"))
      << answer;
}

TEST(HealthPort, AnswersNothingElse) {
  HealthPort port{{"127.0.0.1"}, 0};
  port.serve([] { return Report{}; }, [] { return std::vector<Figure>{}; });
  EXPECT_TRUE(get(port.port(), "/prompt").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(get(port.port(), "/healthz", "POST").starts_with("HTTP/1.1 405"));
  EXPECT_EQ(send_all(port.port(), "no request at all\r\n\r\n"), "");
  EXPECT_EQ(send_all(port.port(), "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n"), "");
  EXPECT_TRUE(get(port.port(), "/healthz").starts_with("HTTP/1.1 200"));
}

TEST(HealthPort, RefusesAPortThatIsTakenAndWhatIsNoAddress) {
  const HealthPort first{{"127.0.0.1"}, 0};
  EXPECT_THROW((HealthPort{{"127.0.0.1"}, first.port()}), Error);
  EXPECT_THROW((HealthPort{{"nowhere"}, 0}), Error);
}

}  // namespace
}  // namespace comfy::health
