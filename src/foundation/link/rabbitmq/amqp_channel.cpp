// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/amqp_channel.h"

#include "foundation/base/error.h"

#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <array>
#include <string_view>

namespace comfy::link {
namespace {

constexpr int kHeartbeat = 10;  // seconds
constexpr int kFrameMax = 131'072;
constexpr timeval kPatience{5, 0};
// The broker confirms a declaration of a quorum queue only once it has elected a leader.
constexpr timeval kRpcPatience{20, 0};

amqp_bytes_t bytes(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};  // the library only reads it
}

std::string text_of(const amqp_bytes_t& bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}

amqp_channel_t number_of(AmqpChannel::Lane lane) { return static_cast<amqp_channel_t>(lane); }

Error::Kind kind_of(int code) {
  switch (code) {
    case AMQP_NOT_FOUND:
      return Error::Kind::not_found;
    case AMQP_ACCESS_REFUSED:
      return Error::Kind::forbidden;
    case AMQP_RESOURCE_LOCKED:
    case AMQP_PRECONDITION_FAILED:
      return Error::Kind::conflict;
    default:
      return Error::Kind::unavailable;
  }
}

Error closed_by_broker(const amqp_method_t& method) {
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto& close = *static_cast<const amqp_channel_close_t*>(method.decoded);
    return Error{kind_of(close.reply_code),
                 fmt::format("the broker closed the channel: {}", text_of(close.reply_text))};
  }
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto& close = *static_cast<const amqp_connection_close_t*>(method.decoded);
    return Error{kind_of(close.reply_code),
                 fmt::format("the broker closed the connection: {}", text_of(close.reply_text))};
  }
  return Error{Error::Kind::unavailable, fmt::format("the broker sent method {:#x} in place of an "
                                                     "answer",
                                                     method.id)};
}

void check(int status, const char* what) {
  if (status != AMQP_STATUS_OK)
    throw Error(Error::Kind::unavailable, fmt::format("{}: {}", what, amqp_error_string2(status)));
}

void check(const amqp_rpc_reply_t& reply, const char* what) {
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
      return;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
      throw closed_by_broker(reply.reply);
    default:
      throw Error(Error::Kind::unavailable,
                  fmt::format("{}: {}", what, amqp_error_string2(reply.library_error)),
                  reply.library_error == AMQP_STATUS_TIMEOUT ? "timeout" : "");
  }
}

/// Why the certificate that this thread saw last is not accepted; empty when it is.
thread_local std::string certificate_trouble;

int note_certificate(int accepted, X509_STORE_CTX* store) {
  if (accepted == 0)
    certificate_trouble = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
  return accepted;
}

/// Lets the handshake itself check the certificate's names, of which the library knows only those
/// that are no IP addresses.
void verify_certificate(SSL_CTX* context, const std::string& host) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_certificate);
  X509_VERIFY_PARAM* expected = SSL_CTX_get0_param(context);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1) return;
  if (X509_VERIFY_PARAM_set1_host(expected, host.data(), host.size()) != 1)
    throw Error(Error::Kind::invalid_input,
                fmt::format("the broker's host must be a name or an address, got \"{}\"", host));
}

/// A table of the library over arguments that outlive it.
class Table {
 public:
  explicit Table(const AmqpArguments& arguments) {
    for (const auto& [name, value] : arguments) {
      amqp_table_entry_t entry{};
      entry.key = bytes(name);
      if (const auto* number = std::get_if<std::int64_t>(&value)) {
        entry.value.kind = AMQP_FIELD_KIND_I64;
        entry.value.value.i64 = *number;
      } else {
        entry.value.kind = AMQP_FIELD_KIND_UTF8;
        entry.value.value.bytes = bytes(std::get<std::string>(value));
      }
      entries_.push_back(entry);
    }
  }
  amqp_table_t get() { return {static_cast<int>(entries_.size()), entries_.data()}; }

 private:
  std::vector<amqp_table_entry_t> entries_;
};

std::string header(const amqp_table_t& headers, std::string_view name) {
  for (int i = 0; i < headers.num_entries; ++i) {
    const amqp_table_entry_t& entry = headers.entries[i];
    const bool is_text =
        entry.value.kind == AMQP_FIELD_KIND_UTF8 || entry.value.kind == AMQP_FIELD_KIND_BYTES;
    if (is_text && text_of(entry.key) == name) return text_of(entry.value.value.bytes);
  }
  return {};
}

/// Takes a message of the library over and frees it.
AmqpMessage take(amqp_message_t& raw) {
  const amqp_basic_properties_t& properties = raw.properties;
  const auto optional = [&](amqp_flags_t flag, const amqp_bytes_t& value) {
    return (properties._flags & flag) != 0 ? text_of(value) : std::string{};
  };
  AmqpMessage message;
  message.body = text_of(raw.body);
  message.content_type = optional(AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type);
  message.content_encoding =
      optional(AMQP_BASIC_CONTENT_ENCODING_FLAG, properties.content_encoding);
  message.type = optional(AMQP_BASIC_TYPE_FLAG, properties.type);
  message.message_id = optional(AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id);
  message.correlation_id = optional(AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id);
  message.reply_to = optional(AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to);
  if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) != 0)
    message.store = header(properties.headers, "x-comfy-store");
  amqp_destroy_message(&raw);
  return message;
}

}  // namespace

class AmqpChannel::Impl {
 public:
  Impl(const BrokerAddress& address, const std::string& name) {
    state = amqp_new_connection();
    if (state == nullptr)
      throw Error(Error::Kind::out_of_memory, "no connection to the broker fits into memory");
    try {
      connect(address);
      log_in(address, name);
      for (const Lane lane : {Lane::main, Lane::jobs}) {
        amqp_channel_open(state, number_of(lane));
        check(amqp_get_rpc_reply(state), "opening a channel");
      }
    } catch (...) {
      amqp_destroy_connection(state);
      throw;
    }
  }
  ~Impl() { amqp_destroy_connection(state); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void connect(const BrokerAddress& address) {
    amqp_set_handshake_timeout(state, &kPatience);
    amqp_set_rpc_timeout(state, &kRpcPatience);
    amqp_socket_t* socket = address.tls ? tls_socket(address) : amqp_tcp_socket_new(state);
    if (socket == nullptr)
      throw Error(Error::Kind::unavailable, "no socket for the broker is to be had");
    certificate_trouble.clear();
    const int status =
        amqp_socket_open_noblock(socket, address.host.c_str(), address.port, &kPatience);
    if (status != AMQP_STATUS_OK && !certificate_trouble.empty())
      throw Error(
          Error::Kind::unavailable,
          fmt::format("the certificate of {} is not accepted: {}; cacertfile names the file of "
                      "those who may sign it",
                      address.shown(), certificate_trouble));
    check(status, "connecting");
  }

  amqp_socket_t* tls_socket(const BrokerAddress& address) {
    amqp_socket_t* socket = amqp_ssl_socket_new(state);
    if (socket == nullptr) return nullptr;
    amqp_ssl_socket_set_verify_peer(socket, address.verify ? 1 : 0);
    amqp_ssl_socket_set_verify_hostname(socket, 0);
    auto* context = static_cast<SSL_CTX*>(amqp_ssl_socket_get_context(socket));
    if (address.verify) verify_certificate(context, address.host);
    check(amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST), "TLS 1.2");
    if (!address.authorities.empty()) {
      check(amqp_ssl_socket_set_cacert(socket, address.authorities.c_str()), "cacertfile");
    } else {
      SSL_CTX_set_default_verify_paths(context);
    }
    if (!address.certificate.empty())
      check(amqp_ssl_socket_set_key(socket, address.certificate.c_str(), address.key.c_str()),
            "certfile and keyfile");
    return socket;
  }

  void log_in(const BrokerAddress& address, const std::string& name) {
    std::array<amqp_table_entry_t, 4> abilities{};
    const std::array<const char*, 4> names{"connection.blocked", "consumer_cancel_notify",
                                           "publisher_confirms", "basic.nack"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      abilities[i].key = amqp_cstring_bytes(names[i]);
      abilities[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
      abilities[i].value.value.boolean = 1;
    }
    std::array<amqp_table_entry_t, 2> properties{};
    properties[0].key = amqp_cstring_bytes("capabilities");
    properties[0].value.kind = AMQP_FIELD_KIND_TABLE;
    properties[0].value.value.table = {static_cast<int>(abilities.size()), abilities.data()};
    properties[1].key = amqp_cstring_bytes("connection_name");
    properties[1].value.kind = AMQP_FIELD_KIND_UTF8;
    properties[1].value.value.bytes = bytes(name);
    const amqp_table_t table{static_cast<int>(properties.size()), properties.data()};
    const amqp_rpc_reply_t reply = amqp_login_with_properties(
        state, address.vhost.c_str(), 0, kFrameMax, kHeartbeat, &table, AMQP_SASL_METHOD_PLAIN,
        address.user.c_str(), address.password.c_str());
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) throw closed_by_broker(reply.reply);
    check(reply, "logging in");
  }

  /// Reads the rest of a message whose method frame has come.
  AmqpMessage read_message(amqp_channel_t channel) {
    amqp_message_t raw{};
    check(amqp_read_message(state, channel, &raw, 0), "reading a message");
    return take(raw);
  }

  AmqpLaneLost reopen_jobs(const amqp_method_t& closed) const {
    AmqpLaneLost lost{closed_by_broker(closed).message};
    amqp_channel_close_ok_t answer{};
    check(amqp_send_method(state, number_of(Lane::jobs), AMQP_CHANNEL_CLOSE_OK_METHOD, &answer),
          "closing a channel");
    amqp_channel_open(state, number_of(Lane::jobs));
    check(amqp_get_rpc_reply(state), "opening a channel");
    return lost;
  }

  std::optional<AmqpEvent> understand(const amqp_frame_t& frame);

  amqp_connection_state_t state = nullptr;
};

AmqpChannel::AmqpChannel(const BrokerAddress& address, const std::string& name)
    : impl_{std::make_unique<Impl>(address, name)} {}
AmqpChannel::~AmqpChannel() = default;

void AmqpChannel::declare_exchange(const std::string& name, const char* type) {
  amqp_exchange_declare(impl_->state, 1, bytes(name), bytes(type), 0, 1, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(impl_->state), "declaring an exchange");
}

std::size_t AmqpChannel::declare_queue(const std::string& name, const Queue& flags,
                                       const AmqpArguments& arguments) {
  Table table{arguments};
  const amqp_queue_declare_ok_t* declared =
      amqp_queue_declare(impl_->state, 1, bytes(name), 0, flags.durable, flags.exclusive,
                         flags.auto_delete, table.get());
  check(amqp_get_rpc_reply(impl_->state), "declaring a queue");
  return declared == nullptr ? 0 : declared->consumer_count;
}

void AmqpChannel::delete_queue(const std::string& name) {
  amqp_queue_delete(impl_->state, 1, bytes(name), 0, 0);
  check(amqp_get_rpc_reply(impl_->state), "deleting a queue");
}

void AmqpChannel::expect_exchange(const std::string& name) {
  amqp_exchange_declare(impl_->state, 1, bytes(name), bytes("direct"), 1, 0, 0, 0,
                        amqp_empty_table);
  check(amqp_get_rpc_reply(impl_->state), "looking for an exchange");
}

void AmqpChannel::expect_queue(const std::string& name) {
  amqp_queue_declare(impl_->state, 1, bytes(name), 1, 0, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(impl_->state), "looking for a queue");
}

void AmqpChannel::bind(const std::string& queue, const std::string& exchange,
                       const std::string& key) {
  amqp_queue_bind(impl_->state, 1, bytes(queue), bytes(exchange), bytes(key), amqp_empty_table);
  check(amqp_get_rpc_reply(impl_->state), "binding a queue");
}

void AmqpChannel::select_confirms() {
  amqp_confirm_select(impl_->state, 1);
  check(amqp_get_rpc_reply(impl_->state), "asking for confirms");
}

void AmqpChannel::publish(const AmqpMessage& message) {
  std::array<amqp_table_entry_t, 2> headers{};
  headers[0].key = amqp_cstring_bytes("x-comfy-v");
  headers[0].value.kind = AMQP_FIELD_KIND_I32;
  headers[0].value.value.i32 = 1;
  headers[1].key = amqp_cstring_bytes("x-comfy-store");
  headers[1].value.kind = AMQP_FIELD_KIND_UTF8;
  headers[1].value.value.bytes = bytes(message.store);
  amqp_basic_properties_t properties{};
  const auto set = [&](amqp_flags_t flag, amqp_bytes_t& field, const std::string& value) {
    if (value.empty()) return;
    properties._flags |= flag;
    field = bytes(value);
  };
  properties._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.headers = {message.store.empty() ? 1 : 2, headers.data()};
  properties.delivery_mode = message.persistent ? 2 : 1;
  set(AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type, message.content_type);
  set(AMQP_BASIC_CONTENT_ENCODING_FLAG, properties.content_encoding, message.content_encoding);
  set(AMQP_BASIC_TYPE_FLAG, properties.type, message.type);
  set(AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id, message.message_id);
  set(AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id, message.correlation_id);
  set(AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to, message.reply_to);
  check(amqp_basic_publish(impl_->state, 1, bytes(message.exchange), bytes(message.routing_key),
                           message.mandatory, 0, &properties, bytes(message.body)),
        "publishing");
}

void AmqpChannel::limit_unacknowledged(Lane lane, int count) {
  amqp_basic_qos(impl_->state, number_of(lane), 0, static_cast<std::uint16_t>(count), 0);
  check(amqp_get_rpc_reply(impl_->state), "limiting deliveries");
}

void AmqpChannel::consume(Lane lane, const std::string& queue, const std::string& consumer,
                          Acknowledge how) {
  amqp_basic_consume(impl_->state, number_of(lane), bytes(queue), bytes(consumer), 0,
                     how == Acknowledge::never, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(impl_->state), "consuming");
}

void AmqpChannel::cancel(Lane lane, const std::string& consumer) {
  amqp_basic_cancel(impl_->state, number_of(lane), bytes(consumer));
  check(amqp_get_rpc_reply(impl_->state), "ending a consumer");
}

std::optional<AmqpDelivery> AmqpChannel::fetch(Lane lane, const std::string& queue) {
  const amqp_rpc_reply_t reply = amqp_basic_get(impl_->state, number_of(lane), bytes(queue), 0);
  check(reply, "fetching a message");
  if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return {};
  const auto& got = *static_cast<const amqp_basic_get_ok_t*>(reply.reply.decoded);
  AmqpDelivery delivery{
      .consumer = queue, .tag = got.delivery_tag, .redelivered = got.redelivered != 0};
  delivery.message = impl_->read_message(number_of(lane));
  return delivery;
}

void AmqpChannel::acknowledge(Lane lane, std::uint64_t tag) {
  check(amqp_basic_ack(impl_->state, number_of(lane), tag, 0), "acknowledging");
}

std::optional<AmqpEvent> AmqpChannel::next() {
  while (true) {
    amqp_frame_t frame{};
    const timeval at_once{0, 0};
    const int status = amqp_simple_wait_frame_noblock(impl_->state, &frame, &at_once);
    if (status == AMQP_STATUS_TIMEOUT) {
      amqp_maybe_release_buffers(impl_->state);
      return {};
    }
    check(status, "reading");
    if (std::optional<AmqpEvent> event = impl_->understand(frame)) return event;
  }
}

std::optional<AmqpEvent> AmqpChannel::Impl::understand(const amqp_frame_t& frame) {
  if (frame.frame_type != AMQP_FRAME_METHOD) return {};
  const void* decoded = frame.payload.method.decoded;
  switch (frame.payload.method.id) {
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto& deliver = *static_cast<const amqp_basic_deliver_t*>(decoded);
      AmqpDelivery delivery{.consumer = text_of(deliver.consumer_tag),
                            .tag = deliver.delivery_tag,
                            .redelivered = deliver.redelivered != 0};
      delivery.message = read_message(frame.channel);
      return delivery;
    }
    case AMQP_BASIC_ACK_METHOD: {
      const auto& ack = *static_cast<const amqp_basic_ack_t*>(decoded);
      return AmqpConfirm{ack.delivery_tag, ack.multiple != 0, true};
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto& nack = *static_cast<const amqp_basic_nack_t*>(decoded);
      return AmqpConfirm{nack.delivery_tag, nack.multiple != 0, false};
    }
    case AMQP_BASIC_RETURN_METHOD:
      return AmqpReturn{read_message(frame.channel).correlation_id};
    case AMQP_CONNECTION_BLOCKED_METHOD: {
      const auto& blocked = *static_cast<const amqp_connection_blocked_t*>(decoded);
      return AmqpBlocked{true, text_of(blocked.reason)};
    }
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
      return AmqpBlocked{false, {}};
    case AMQP_BASIC_CANCEL_METHOD:
      throw Error(Error::Kind::unavailable, "the broker ended a consumer: its queue is gone");
    case AMQP_CHANNEL_CLOSE_METHOD:
      if (frame.channel == number_of(Lane::jobs)) return reopen_jobs(frame.payload.method);
      [[fallthrough]];
    case AMQP_CONNECTION_CLOSE_METHOD:
      throw closed_by_broker(frame.payload.method);
    default:
      return {};
  }
}

void AmqpChannel::wait(int wakeup, std::chrono::milliseconds patience) {
  if (amqp_frames_enqueued(impl_->state) != 0 || amqp_data_in_buffer(impl_->state) != 0) return;
  std::array<pollfd, 2> polled{{{wakeup, POLLIN, 0}, {amqp_get_sockfd(impl_->state), POLLIN, 0}}};
  ::poll(polled.data(), polled.size(), static_cast<int>(patience.count()));
}

void AmqpChannel::close() {
  const timeval moment{1, 0};
  amqp_set_rpc_timeout(impl_->state, &moment);
  amqp_connection_close(impl_->state, AMQP_REPLY_SUCCESS);
}

}  // namespace comfy::link
