// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/sessions.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"
#include "frontend/server/log.h"

#include <boost/asio/post.hpp>

#include <charconv>

namespace comfy::server {
namespace {

SharedBytes share(const Json& message) {
  return std::make_shared<const std::string>(to_json(message));
}

void append_big_endian(std::string& text, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xff);
}

void append_sized(std::string& text, std::string_view part) {
  append_big_endian(text, static_cast<std::uint32_t>(part.size()));
  text += part;
}

std::optional<std::uint64_t> since_of(const Request& request) {
  const auto number = request.query.find_integer("since");
  if (!number || *number < 0) return {};
  return static_cast<std::uint64_t>(*number);
}

constexpr int kPicture = 1;
constexpr int kText = 3;

}  // namespace

SharedBytes picture_frame(const jobs::PreviewEvent& event) {
  const bool png = event.metadata.string_or("image_type", "") == "image/png";
  std::string frame;
  append_big_endian(frame, 1);
  append_big_endian(frame, png ? 2 : 1);
  frame += *event.bytes;
  return std::make_shared<const std::string>(std::move(frame));
}

SharedBytes picture_frame_with_metadata(const jobs::PreviewEvent& event) {
  std::string frame;
  append_big_endian(frame, 4);
  append_sized(frame, to_json(event.metadata));
  frame += *event.bytes;
  return std::make_shared<const std::string>(std::move(frame));
}

SharedBytes text_frame(const jobs::PreviewEvent& event) {
  std::string frame;
  append_big_endian(frame, 3);
  append_sized(frame, event.metadata.string_or("node_id", ""));
  frame += *event.bytes;
  return std::make_shared<const std::string>(std::move(frame));
}

SharedBytes text_frame_with_prompt(const jobs::PreviewEvent& event) {
  std::string frame;
  append_big_endian(frame, 3);
  append_sized(frame, event.prompt_id);
  append_sized(frame, event.metadata.string_or("node_id", ""));
  frame += *event.bytes;
  return std::make_shared<const std::string>(std::move(frame));
}

Sessions::Sessions(boost::asio::any_io_executor executor, const Limits& limits, Random& random,
                   SessionHooks hooks)
    : executor_{std::move(executor)}, limits_{limits}, random_{random}, hooks_{std::move(hooks)} {}

boost::asio::awaitable<void> Sessions::serve(boost::beast::tcp_stream stream,
                                             const Upgrade& upgrade, const Request& request) {
  std::string client_id{request.query.find("clientId").value_or("")};
  if (client_id.empty()) client_id = random_hex(random_, 16);
  const auto socket = std::make_shared<Socket>(std::move(stream), limits_, client_id);
  sockets_.insert(socket);
  if (const auto old = by_id_.find(client_id); old != by_id_.end()) {
    old->second->close(CloseCode::replaced, "another connection uses this client id");
  }
  by_id_[client_id] = socket;
  try {
    greet(*socket, request);
    bool first = true;
    Socket::OnText handler = [this, &first, &socket](std::string_view text) {
      on_text(*socket, first, text);
    };
    co_await socket->run(upgrade, std::move(handler));
  } catch (const std::exception& error) {
    log.warn("the session of {} ended with {}", client_id, error.what());
  }
  remove(socket);
}

void Sessions::greet(Socket& socket, const Request& request) {
  const Json status = Json::Object{
      {"status",
       Json::Object{{"exec_info", Json::Object{{"queue_remaining", hooks_.queue_remaining()}}}}},
      {"sid", socket.client_id()}};
  socket.send(share(Json::Object{{"type", "status"}, {"data", status}}));
  for (const jobs::TextEvent& event : hooks_.catch_up(socket.client_id(), since_of(request))) {
    socket.send(event.text);
  }
}

void Sessions::on_text(Socket& socket, bool& first, std::string_view text) const {
  if (!first) return;
  Json message;
  try {
    message = parse_json(text);
  } catch (const Error&) {
    return;  // ComfyUI waits for the first message it can read.
  }
  first = false;
  if (message.string_or("type", "") != "feature_flags") return;
  if (const Json* flags = message.find("data")) {
    socket.takes_metadata = flags->bool_or("supports_preview_metadata", false);
    socket.takes_text_metadata = flags->bool_or("supports_progress_text_metadata", false);
  }
  socket.send(share(Json::Object{{"type", "feature_flags"}, {"data", hooks_.features}}));
}

void Sessions::remove(const SocketPointer& socket) {
  sockets_.erase(socket);
  if (socket->fell_behind()) ++fallen_behind_;
  // Only if no newer connection took the name over.
  const auto current = by_id_.find(socket->client_id());
  if (current == by_id_.end() || current->second != socket) return;
  by_id_.erase(current);
  log_subscribers_.erase(socket->client_id());
}

void Sessions::deliver(const jobs::TextEvent& event) {
  if (!event.client_id) {
    for (const auto& [id, socket] : by_id_) socket->send(event.text);
    return;
  }
  const auto found = by_id_.find(*event.client_id);
  if (found != by_id_.end()) found->second->send(event.text);
}

void Sessions::deliver(const jobs::PreviewEvent& event) {
  SharedBytes with_metadata;
  SharedBytes plain;
  const auto send = [&](Socket& socket) {
    if (event.kind == kText) {
      SharedBytes& text = socket.takes_text_metadata ? with_metadata : plain;
      if (!text) {
        text = socket.takes_text_metadata ? text_frame_with_prompt(event) : text_frame(event);
      }
      socket.send_binary(text);
      return;
    }
    if (socket.takes_metadata) {
      if (!with_metadata) with_metadata = picture_frame_with_metadata(event);
    } else if (event.kind != kPicture && !event.asked) {
      // Simple clients take every binary message for a result: unasked previews break them.
      return;
    } else if (!plain) {
      plain = picture_frame(event);
    }
    const SharedBytes& bytes = socket.takes_metadata ? with_metadata : plain;
    // A picture of kind 1 is a result (SaveImageWebsocket), which must arrive.
    if (event.kind == kPicture) {
      socket.send_binary(bytes);
    } else {
      socket.send_preview(event.prompt_id, bytes);
    }
  };
  if (!event.client_id) {
    for (const auto& [id, socket] : by_id_) send(*socket);
    return;
  }
  const auto found = by_id_.find(*event.client_id);
  if (found != by_id_.end()) send(*found->second);
}

void Sessions::subscribe_logs(const std::string& client_id, bool enabled) {
  if (!enabled) {
    log_subscribers_.erase(client_id);
  } else if (by_id_.contains(client_id)) {
    log_subscribers_.insert(client_id);
  }
}

void Sessions::send_logs(const SharedBytes& text) {
  for (const std::string& id : log_subscribers_) {
    const auto found = by_id_.find(id);
    if (found != by_id_.end()) found->second->send(text);
  }
}

void Sessions::tick() {
  const auto now = std::chrono::steady_clock::now();
  for (const SocketPointer& socket : std::set{sockets_}) socket->tick(now);
}

void Sessions::stop() {
  for (const SocketPointer& socket : std::set{sockets_}) {
    socket->close(CloseCode::going_away, "the server stops");
  }
}

void EventRelay::send(const jobs::TextEvent& event) {
  boost::asio::post(executor_, [this, event] { sessions_->deliver(event); });
}

void EventRelay::send(const jobs::PreviewEvent& event) {
  boost::asio::post(executor_, [this, event] { sessions_->deliver(event); });
}

}  // namespace comfy::server
