// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/origin_rules.h"
#include "frontend/server/route.h"
#include "frontend/server/static_files.h"

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <cstddef>
#include <list>

namespace comfy::server {

/// Knows every open connection, so that a stop can end the idle ones at once and the others soon.
/// Lives on the I/O thread.
class Connections {
 public:
  struct Entry {
    boost::beast::tcp_stream* stream = nullptr;  ///< null once it is a session's socket
    bool answers = false;                        ///< a request is under way
  };
  using Handle = std::list<Entry>::iterator;

  Handle add(boost::beast::tcp_stream& stream) {
    return entries_.insert(entries_.end(), {&stream, false});
  }
  void remove(Handle handle) { entries_.erase(handle); }
  std::size_t size() const { return entries_.size(); }

  bool stopping() const { return stopping_; }
  /// No connection takes another request; idle ones end now.
  void stop_idle();
  /// All connections end now.
  void stop_all();

 private:
  std::list<Entry> entries_;
  bool stopping_ = false;
};

/// What all connections share.
struct Front {
  Services& services;
  const RouteTable& routes;
  const OriginRules& origins;
  StaticFiles& files;
  Connections& connections;
};

/// Answers the requests of one connection until it ends; never throws.
boost::asio::awaitable<void> serve_connection(boost::beast::tcp_stream stream, Front& front);

}  // namespace comfy::server
