// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/server/channel.h"
#include "frontend/server/origin_rules.h"
#include "frontend/server/route.h"
#include "frontend/server/static_files.h"
#include "frontend/server/trusted_proxies.h"

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace comfy::server {

/// Knows every open connection, so that a stop can end the idle ones at once and the others soon.
/// Lives on the I/O thread.
class Connections {
 public:
  struct Entry {
    boost::beast::tcp_stream* stream = nullptr;  ///< null once it is a session's socket
    bool answers = false;                        ///< a request is under way
    std::string address;
    bool is_stranger = true;  ///< it has not shown a key yet
  };
  using Handle = std::list<Entry>::iterator;

  Handle add(boost::beast::tcp_stream& stream, std::string address) {
    ++strangers_[address];
    return entries_.insert(entries_.end(), {&stream, false, std::move(address)});
  }
  void remove(Handle handle) {
    know(handle);
    entries_.erase(handle);
  }
  /// Its requests carry a key: it counts no more among those of its address.
  void know(Handle handle);
  std::size_t size() const { return entries_.size(); }
  /// How many connections an address has that have not shown a key.
  std::size_t strangers(const std::string& address) const;

  bool stopping() const { return stopping_; }
  /// No connection takes another request; idle ones end now.
  void stop_idle();
  /// All connections end now.
  void stop_all();

 private:
  std::list<Entry> entries_;
  std::map<std::string, std::size_t> strangers_;
  bool stopping_ = false;
};

/// What all connections share.
struct Front {
  Services& services;
  const RouteTable& routes;
  const OriginRules& origins;
  StaticFiles& files;
  Connections& connections;
  const TrustedProxies& proxies;
};

/// Answers the requests of one connection until it ends; never throws.
boost::asio::awaitable<void> serve_connection(Channel channel, Front& front);

}  // namespace comfy::server
