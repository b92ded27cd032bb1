// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/sessions.h"

#include "frontend/server/loopback_server.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace comfy::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

/// A message as it came: text, or bytes.
struct Message {
  std::string bytes;
  bool is_text = true;

  Json json() const { return parse_json(bytes); }
  std::string type() const { return json().string_or("type", ""); }
};

/// A WebSocket client whose every wait ends after five seconds.
class SocketClient {
 public:
  explicit SocketClient(const LoopbackServer& server, const std::string& target = "/ws",
                        const std::string& origin = {})
      : stream_{io_} {
    auto& socket = stream_.next_layer();
    socket.connect({asio::ip::make_address("127.0.0.1"), server.port()});
    const timeval patience{5, 0};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (!origin.empty()) {
      stream_.set_option(
          websocket::stream_base::decorator([origin](websocket::request_type& request) {
            request.set(beast::http::field::origin, origin);
          }));
    }
    stream_.read_message_max(64 << 20);
    stream_.handshake("127.0.0.1:" + std::to_string(server.port()), target);
  }

  void send(const std::string& text) { stream_.write(asio::buffer(text)); }
  Message receive() {
    beast::flat_buffer buffer;
    stream_.read(buffer);
    return {beast::buffers_to_string(buffer.data()), stream_.got_text()};
  }
  /// The code with which the server ended it.
  unsigned closed_with() {
    beast::flat_buffer buffer;
    boost::system::error_code error;
    while (!error) stream_.read(buffer, error);
    return stream_.reason().code;
  }
  void close() { stream_.close(websocket::close_code::normal); }
  /// Keeps the kernel from taking in more than a little for this client.
  void stop_reading() {
    stream_.next_layer().set_option(asio::socket_base::receive_buffer_size{4096});
  }

 private:
  asio::io_context io_;
  websocket::stream<asio::ip::tcp::socket> stream_;
};

std::shared_ptr<const std::string> shared(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

jobs::TextEvent event_for(std::optional<std::string> client, const std::string& type) {
  jobs::TextEvent event;
  event.client_id = std::move(client);
  event.type = type;
  event.text = shared(to_json(Json::Object{{"type", type}, {"data", Json::Object{}}}));
  return event;
}

jobs::PreviewEvent preview_for(const std::string& client, int kind, bool asked, std::string bytes) {
  jobs::PreviewEvent event;
  event.client_id = client;
  event.prompt_id = "p";
  event.kind = kind;
  event.asked = asked;
  event.metadata = Json::Object{{"node_id", "3"}, {"image_type", "image/jpeg"}};
  event.bytes = shared(std::move(bytes));
  return event;
}

const char* const kTakesMetadata =
    R"({"type": "feature_flags", "data": {"supports_preview_metadata": true}})";

TEST(Session, IsGreetedWithTheQueueAndItsName) {
  const LoopbackServer server;
  for (const char* target : {"/ws?clientId=abc", "/api/ws?clientId=abc"}) {
    SocketClient client{server, target};
    const Message greeting = client.receive();
    EXPECT_TRUE(greeting.bytes.starts_with("{\"type\":")) << greeting.bytes;
    EXPECT_EQ(greeting.bytes,
              R"({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, )"
              R"("sid": "abc"}})");
    client.close();
  }
  SocketClient nameless{server};
  const std::string sid = nameless.receive().json().at("data").string_or("sid", "");
  EXPECT_EQ(sid.size(), 32u);
  EXPECT_EQ(sid.find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(Session, OfAnotherSitesPageIsRefused) {
  const LoopbackServer server;
  EXPECT_THROW((SocketClient{server, "/ws", "https://evil.test"}), std::exception);
  EXPECT_THROW((SocketClient{server, "/api/ws", "null"}), std::exception);
  EXPECT_NO_THROW(
      (SocketClient{server, "/ws", "http://127.0.0.1:" + std::to_string(server.port())}));
  EXPECT_EQ(ask(server, {.target = "/ws"}).status, 400u);
}

TEST(Session, AgreesOnFeaturesOnceWithTheFirstReadableMessage) {
  LoopbackServer server;
  SocketClient client{server, "/ws?clientId=a"};
  client.receive();
  client.send("not json");
  client.send(kTakesMetadata);
  client.send(kTakesMetadata);
  const Message reply = client.receive();
  EXPECT_EQ(reply.type(), "feature_flags");
  EXPECT_EQ(reply.json().at("data"), ask(server, {.target = "/features"}).json());
  server.relay().send(event_for("a", "marker"));
  EXPECT_EQ(client.receive().type(), "marker") << "the second one must not be answered";
}

TEST(Session, GetsItsOwnEventsAndThoseForAll) {
  LoopbackServer server;
  SocketClient a{server, "/ws?clientId=a"};
  SocketClient b{server, "/ws?clientId=b"};
  a.receive();
  b.receive();
  server.relay().send(event_for("a", "one"));
  server.relay().send(event_for("gone", "lost"));
  server.relay().send(event_for({}, "all"));
  EXPECT_EQ(a.receive().type(), "one");
  EXPECT_EQ(a.receive().type(), "all");
  EXPECT_EQ(b.receive().type(), "all");
}

TEST(Session, IsReplacedByANewOneOfTheSameNameWithoutHarmToIt) {
  LoopbackServer server;
  SocketClient old{server, "/ws?clientId=a"};
  old.receive();
  SocketClient fresh{server, "/ws?clientId=a"};
  fresh.receive();
  EXPECT_EQ(old.closed_with(), 4001u);
  server.relay().send(event_for("a", "one"));
  EXPECT_EQ(fresh.receive().type(), "one");
}

TEST(Session, GetsPreviewsInTheFormItUnderstands) {
  LoopbackServer server;
  SocketClient modern{server, "/ws?clientId=m"};
  SocketClient simple{server, "/ws?clientId=s"};
  modern.receive();
  simple.receive();
  modern.send(kTakesMetadata);
  modern.receive();
  const std::string metadata = R"({"node_id": "3", "image_type": "image/jpeg"})";
  const std::string with_metadata = std::string{"\0\0\0\4\0\0\0\x2c", 8} + metadata;
  const std::string plain{"\0\0\0\1\0\0\0\1", 8};
  const std::string text = std::string{"\0\0\0\3\0\0\0\1", 8} + "3words";
  ASSERT_EQ(metadata.size(), 0x2cu);
  const auto send = [&server](int kind, bool asked, const std::string& bytes) {
    for (const char* client : {"m", "s"}) {
      server.relay().send(preview_for(client, kind, asked, bytes));
    }
  };
  send(4, false, "JPEG1");
  EXPECT_EQ(modern.receive().bytes, with_metadata + "JPEG1");
  send(4, true, "JPEG2");
  EXPECT_EQ(modern.receive().bytes, with_metadata + "JPEG2");
  // Unasked previews break simple clients; the others come after the progress they belong to.
  jobs::TextEvent progress = event_for("s", "progress");
  progress.prompt_id = "p";
  server.relay().send(progress);
  EXPECT_EQ(simple.receive().type(), "progress");
  EXPECT_EQ(simple.receive().bytes, plain + "JPEG2");
  // Kind 1 is a result, which must come.
  send(1, false, "JPEG3");
  EXPECT_EQ(modern.receive().bytes, with_metadata + "JPEG3");
  EXPECT_EQ(simple.receive().bytes, plain + "JPEG3");
  send(3, false, "words");
  EXPECT_EQ(modern.receive().bytes, text);
  EXPECT_EQ(simple.receive().bytes, text);
}

TEST(Session, IsToldThePromptOfATextWhenItReadsThat) {
  LoopbackServer server;
  SocketClient newest{server, "/ws?clientId=n"};
  newest.receive();
  newest.send(R"({"type": "feature_flags", "data": {"supports_progress_text_metadata": true}})");
  newest.receive();
  server.relay().send(preview_for("n", 3, false, "words"));
  EXPECT_EQ(newest.receive().bytes, std::string("\0\0\0\3\0\0\0\1p\0\0\0\1", 13) + "3words");
}

TEST(Session, ThatDoesNotReadIsClosedAndHoldsNobodyUp) {
  Settings settings;
  settings.limits.socket_queue_frames = 50;
  LoopbackServer server{settings};
  SocketClient slow{server, "/ws?clientId=slow"};
  SocketClient quick{server, "/ws?clientId=quick"};
  slow.receive();
  quick.receive();
  jobs::TextEvent big = event_for("slow", "big");
  big.text = shared("{\"type\": \"big\", \"data\": \"" + std::string(1 << 20, 'x') + "\"}");
  for (int i = 0; i < 20; ++i) server.relay().send(big);
  for (int i = 0; i < 100; ++i) server.relay().send(event_for("slow", "small"));
  server.relay().send(event_for("quick", "one"));
  EXPECT_EQ(quick.receive().type(), "one");
  EXPECT_EQ(slow.closed_with(), 4008u);
}

TEST(Session, KeepsOnlyTheNewestPreviewOfAPromptWhenTheClientLags) {
  LoopbackServer server;
  SocketClient client{server, "/ws?clientId=a"};
  client.receive();
  client.send(kTakesMetadata);
  client.receive();
  // A message that the kernel cannot swallow whole keeps the writer busy meanwhile.
  jobs::TextEvent big = event_for("a", "big");
  big.text = shared("{\"type\": \"big\", \"data\": \"" + std::string(16 << 20, 'x') + "\"}");
  server.relay().send(big);
  for (int i = 0; i < 200; ++i) {
    server.relay().send(preview_for("a", 4, false, "preview " + std::to_string(i)));
  }
  server.relay().send(event_for("a", "end"));
  EXPECT_EQ(client.receive().type(), "big");
  std::string last;
  int previews = 0;
  for (Message message = client.receive(); !message.is_text; message = client.receive()) {
    last = message.bytes;
    ++previews;
  }
  EXPECT_EQ(previews, 1);
  EXPECT_TRUE(last.ends_with("preview 199"));
}

TEST(Session, ThatFloodsTheServerIsClosed) {
  const LoopbackServer server;
  SocketClient client{server, "/ws?clientId=a"};
  for (int i = 0; i < 30; ++i) client.send("{}");
  EXPECT_EQ(client.closed_with(), 1008u);
}

TEST(Session, WithAMessageAboveTheLimitIsClosed) {
  Settings settings;
  settings.limits.socket_message = 1'000;
  const LoopbackServer server{settings};
  SocketClient client{server, "/ws?clientId=a"};
  client.receive();
  client.send(std::string(2'000, 'x'));
  EXPECT_EQ(client.closed_with(), 1009u);
}

TEST(Session, EndsWithTheServer) {
  LoopbackServer server;
  SocketClient client{server, "/ws?clientId=a"};
  client.receive();
  server.begin_stop(std::chrono::seconds{2});
  EXPECT_EQ(client.closed_with(), 1001u);
}

TEST(Sessions, HaveALimit) {
  Settings settings;
  settings.limits.sockets = 2;
  const LoopbackServer server{settings};
  SocketClient a{server};
  SocketClient b{server};
  a.receive();
  b.receive();
  EXPECT_THROW((SocketClient{server}), std::exception);
}

TEST(LogLines, GoToSessionsThatSubscribed) {
  LoopbackServer server;
  SocketClient client{server, "/ws?clientId=a"};
  client.receive();
  const Ask subscribe{.method = "PATCH",
                      .target = "/internal/logs/subscribe",
                      .body = R"({"clientId": "a", "enabled": true})"};
  EXPECT_EQ(ask(server, subscribe).status, 200u);
  server.logs().add("a line");
  const Message message = client.receive();
  EXPECT_EQ(message.type(), "logs");
  EXPECT_EQ(message.json().at("data").at("entries").as_array().at(0).string_or("m", ""),
            "a line\n");
}

}  // namespace
}  // namespace comfy::server
