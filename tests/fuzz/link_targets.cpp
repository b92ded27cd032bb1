// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/bodies.h"
#include "foundation/link/frame.h"
#include "foundation/link/rabbitmq/address.h"
#include "foundation/link/rabbitmq/wire.h"
#include "refusing.h"
#include "targets.h"

namespace comfy::fuzz {
namespace {

using link::Message;

/// What the other side does with a message: the reader of its type looks at it.
void read_body(const Message& message) {
  switch (message.type) {
    case link::Type::hello:
      link::read_hello(message);
      return;
    case link::Type::go:
      link::read_go(message);
      return;
    case link::Type::renew:
      link::read_renew(message);
      return;
    case link::Type::renewed:
      link::read_renewed(message);
      return;
    case link::Type::event:
      link::read_event(message);
      return;
    case link::Type::preview:
      link::is_replaceable(message);
      link::read_preview(message);
      return;
    case link::Type::finish:
      link::read_finish(message);
      return;
    case link::Type::validate:
      link::read_question(message);
      return;
    case link::Type::verdict:
      link::read_verdict(message);
      return;
    default:
      link::attempt_of(message);
  }
}

void read_stream(std::string_view bytes) {
  link::FrameReader reader;
  reader.feed(bytes);
  while (const auto message = reader.next()) {
    refusing([&message] { read_body(*message); });
    const Message again = [&message] {
      link::FrameReader second;
      second.feed(link::encode_frame(*message));
      return *second.next();
    }();
    if (again.binary != message->binary || again.token != message->token)
      found("a message is another one after being sent");
  }
}

/// One message of the broker: the first byte says how it is packed.
void read_wire(std::string_view input) {
  link::AmqpMessage wire{
      .body = std::string{input.substr(1)}, .content_type = "application/json", .type = "finish"};
  if ((input[0] & 1) != 0) wire.content_type = "application/x-comfy";
  if ((input[0] & 2) != 0) wire.content_encoding = "deflate";
  if ((input[0] & 4) != 0) wire.type = "of the future";
  read_body(link::from_wire(wire));
}

}  // namespace

void fuzz_link(std::string_view input) {
  refusing([input] { read_stream(input); });
  if (input.empty()) return;
  refusing([input] { read_wire(input); });
}

void fuzz_broker_address(std::string_view input) {
  refusing([input] {
    const auto address = link::parse_broker_address(std::string{input});
    if (address.port < 1 || address.port > 65'535) found("a port that is none");
    // A virtual host may be called anything, its escapes undone.
    const std::string place = address.host + address.vhost;
    if (address.password.size() > 5 && place.find(address.password) == std::string::npos &&
        address.shown().find(address.password) != std::string::npos)
      found("an address shows its password");
  });
}

}  // namespace comfy::fuzz
