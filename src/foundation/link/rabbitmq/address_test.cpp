// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/link/rabbitmq/address.h"

#include "foundation/base/error.h"

#include <gtest/gtest.h>

namespace comfy::link {
namespace {

std::string refusal(const std::string& uri) {
  try {
    parse_broker_address(uri);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind, Error::Kind::invalid_input);
    return error.message;
  }
  return "it was taken";
}

TEST(BrokerAddress, HasTheUsualDefaults) {
  const BrokerAddress address = parse_broker_address("amqp://broker.example");
  EXPECT_EQ(address.host, "broker.example");
  EXPECT_EQ(address.port, 5672);
  EXPECT_EQ(address.user, "guest");
  EXPECT_EQ(address.vhost, "/");
  EXPECT_FALSE(address.tls);
  EXPECT_EQ(parse_broker_address("amqps://broker.example").port, 5671);
}

TEST(BrokerAddress, MayBeThatOfSeveralNodes) {
  const BrokerAddresses nodes = parse_broker_addresses("amqp://a:b%2Cc@one, amqp://a:b@two:7000");
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].password, "b,c");
  EXPECT_EQ(nodes[1].port, 7000);
  EXPECT_EQ(shown(nodes), "amqp://one:5672/, amqp://two:7000/");
  EXPECT_THROW(parse_broker_addresses("amqp://one,"), Error);
}

TEST(BrokerAddress, IsReadToTheLastPart) {
  const BrokerAddress address = parse_broker_address(
      "amqps://me:p%40ss%2Fword@[2001:db8::1]:7000/studio%2Fnight?cacertfile="
      "%2Fetc%2Fca.pem&certfile=me.pem&keyfile=me.key&verify=verify_none");
  EXPECT_EQ(address.host, "2001:db8::1");
  EXPECT_EQ(address.port, 7000);
  EXPECT_EQ(address.user, "me");
  EXPECT_EQ(address.password, "p@ss/word");
  EXPECT_EQ(address.vhost, "studio/night");
  EXPECT_TRUE(address.tls);
  EXPECT_EQ(address.authorities, "/etc/ca.pem");
  EXPECT_EQ(address.certificate, "me.pem");
  EXPECT_EQ(address.key, "me.key");
  EXPECT_FALSE(address.verify);
}

TEST(BrokerAddress, VerifiesUnlessToldOtherwise) {
  EXPECT_TRUE(parse_broker_address("amqps://broker.example").verify);
  EXPECT_TRUE(parse_broker_address("amqps://broker.example?verify=verify_peer").verify);
}

TEST(BrokerAddress, IsShownWithoutUserAndPassword) {
  EXPECT_EQ(parse_broker_address("amqps://me:secret@broker.example/studio").shown(),
            "amqps://broker.example:5671/studio");
}

TEST(BrokerAddress, KnowsThisMachine) {
  for (const char* uri :
       {"amqp://localhost", "amqp://127.0.0.1", "amqp://127.1.2.3", "amqp://[::1]"})
    EXPECT_TRUE(parse_broker_address(uri).is_loopback()) << uri;
  for (const char* uri : {"amqp://broker.example", "amqp://10.0.0.1", "amqp://[2001:db8::1]"})
    EXPECT_FALSE(parse_broker_address(uri).is_loopback()) << uri;
}

TEST(BrokerAddress, RefusesWhatIsNoneAndNeverRepeatsIt) {
  for (const char* uri :
       {"", "broker.example", "http://me:secret@broker.example", "amqp://me:secret@broker:port",
        "amqp://me:secret@broker?verify=perhaps", "amqp://me:secret@broker?color=red",
        "amqps://me:secret@broker?certfile=a", "amqp://me:secret@broker?cacertfile=%zz"}) {
    const std::string message = refusal(uri);
    EXPECT_NE(message.find("must look like amqp://user:password@host"), std::string::npos)
        << uri << ": " << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << uri;
  }
}

TEST(BrokerAddress, IsNotCutInsideOfAPassword) {
  for (const char* uri : {"amqp://ann:12/secret@host", "amqp://ann:12/secret@host/vhost?verify=x",
                          "amqp://host/a@b"}) {
    const std::string message = refusal(uri);
    EXPECT_NE(message.find("%2F"), std::string::npos) << message;
    EXPECT_EQ(message.find("secret"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace comfy::link
