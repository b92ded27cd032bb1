// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/sessions.h"

#include "foundation/base/error.h"
#include "foundation/base/ids.h"
#include "frontend/server/log.h"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>

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

Sessions::Name Sessions::name_of(const std::string& user, const std::string& client_id) const {
  return {hooks_.per_user ? user : std::string{}, client_id};
}

std::optional<std::string> Sessions::refusal(const access::Identity& identity) const {
  if (sockets_.size() >= limits_.sockets) {
    return fmt::format("this server holds {} WebSocket connections at most", limits_.sockets);
  }
  if (!hooks_.per_user) return {};
  const auto theirs = std::ranges::count_if(
      sockets_, [&](const auto& entry) { return entry.second == identity.user; });
  if (static_cast<std::size_t>(theirs) < limits_.sockets_per_user) return {};
  return fmt::format("a user may hold {} WebSocket connections", limits_.sockets_per_user);
}

boost::asio::awaitable<void> Sessions::serve(Channel channel, const Upgrade& upgrade,
                                             const Request& request) {
  std::string client_id{request.query.find("clientId").value_or("")};
  if (client_id.empty()) client_id = random_hex(random_, 16);
  Session session{std::make_shared<Socket>(std::move(channel), limits_, client_id),
                  name_of(request.identity.user, client_id)};
  sockets_.emplace(session.socket, request.identity.user);
  if (const auto old = by_name_.find(session.name); old != by_name_.end()) {
    old->second->close(CloseCode::replaced, "another connection uses this client id");
  }
  by_name_[session.name] = session.socket;
  try {
    greet(session, request);
    bool first = true;
    Socket::OnText handler = [this, &first, &session](std::string_view text) {
      on_text(*session.socket, first, text);
    };
    co_await session.socket->run(upgrade, std::move(handler));
  } catch (const std::exception& error) {
    log.warn("the session of {} ended with {}", client_id, error.what());
  }
  remove(session);
}

void Sessions::greet(Session& session, const Request& request) {
  Socket& socket = *session.socket;
  const Json status = Json::Object{
      {"status",
       Json::Object{{"exec_info", Json::Object{{"queue_remaining", hooks_.queue_remaining()}}}}},
      {"sid", socket.client_id()}};
  socket.send(share(Json::Object{{"type", "status"}, {"data", status}}));
  for (const jobs::TextEvent& event : hooks_.catch_up(socket.client_id(), since_of(request))) {
    if (name_of(event.owner, socket.client_id()) == session.name) socket.send(event.text);
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

void Sessions::remove(const Session& session) {
  sockets_.erase(session.socket);
  if (session.socket->fell_behind()) ++fallen_behind_;
  // Only if no newer connection took the name over.
  const auto current = by_name_.find(session.name);
  if (current == by_name_.end() || current->second != session.socket) return;
  by_name_.erase(current);
  log_subscribers_.erase(session.name);
}

/// Calls `send` for the session that an event is for; without a client id for every session, or
/// with authentication for those of the prompt's user. What belongs to nobody is for everybody.
template <class Event, class Send>
void Sessions::to_audience(const Event& event, Send send) const {
  if (event.client_id) {
    const auto found = by_name_.find(name_of(event.owner, *event.client_id));
    if (found != by_name_.end()) send(*found->second);
    return;
  }
  for (const auto& [name, socket] : by_name_) {
    if (event.prompt_id.empty() || name.first == name_of(event.owner, {}).first) send(*socket);
  }
}

void Sessions::deliver(const jobs::TextEvent& event) {
  to_audience(event, [&event](Socket& socket) {
    socket.send(event.text);
    socket.release_preview(event.prompt_id);
  });
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
    } else if (socket.takes_metadata) {
      socket.send_preview(event.prompt_id, bytes);
    } else {
      // ComfyUI sends these after the progress that they belong to, those with metadata before it.
      socket.hold_preview(event.prompt_id, bytes);
    }
  };
  to_audience(event, send);
}

void Sessions::subscribe_logs(const access::Identity& identity, const std::string& client_id,
                              bool enabled) {
  const Name name = name_of(identity.user, client_id);
  if (!enabled) {
    log_subscribers_.erase(name);
  } else if (by_name_.contains(name)) {
    log_subscribers_.insert(name);
  }
}

void Sessions::send_logs(const SharedBytes& text) {
  for (const Name& name : log_subscribers_) {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) found->second->send(text);
  }
}

void Sessions::tick() {
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [socket, user] : std::map{sockets_}) socket->tick(now);
}

void Sessions::stop() {
  for (const auto& [socket, user] : std::map{sockets_}) {
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
