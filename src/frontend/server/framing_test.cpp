// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/framing.h"

#include <gtest/gtest.h>

namespace comfy::server {
namespace {

using Fields = std::vector<Headers::Field>;

Headers headers_of(const Fields& fields) {
  Headers headers;
  for (const auto& [name, value] : fields) headers.add(name, value);
  return headers;
}

std::string fault_of(const Fields& fields, unsigned version = 11) {
  return unclear_length(headers_of(fields), version).value_or("");
}

TEST(UnclearLength, IsNoneWhereAllReadersAgree) {
  EXPECT_EQ(fault_of({}), "");
  EXPECT_EQ(fault_of({{"Content-Length", "5"}}), "");
  EXPECT_EQ(fault_of({{"Transfer-Encoding", "chunked"}}), "");
  EXPECT_EQ(fault_of({{"transfer-encoding", "Chunked"}}), "");
}

TEST(UnclearLength, IsSaidWhereTheyMayNot) {
  EXPECT_EQ(fault_of({{"Content-Length", "5"}, {"content-length", "5"}}),
            "expected one Content-Length, got 2");
  EXPECT_EQ(fault_of({{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}),
            "expected Content-Length or Transfer-Encoding, got both");
  EXPECT_EQ(fault_of({{"Transfer-Encoding", "chunked"}}, 10),
            "expected HTTP/1.1 with Transfer-Encoding, got an earlier version");
  EXPECT_EQ(fault_of({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}),
            "expected Transfer-Encoding to be \"chunked\", got \"chunked\"");
  for (const char* coding : {"", "xchunked", "chunked, gzip", "gzip, chunked", "identity",
                             "chunked;q=1", "\"chunked\"", "chunked\x0b", "chunke\xE4"}) {
    EXPECT_NE(fault_of({{"Transfer-Encoding", coding}}), "") << coding;
  }
}

unsigned status_of_handshake(const Fields& fields) {
  const auto refused = refused_handshake(headers_of(fields));
  return refused ? refused->status : 101;
}

const Headers::Field kVersion{"Sec-WebSocket-Version", "13"};
const Headers::Field kKey{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="};

TEST(Handshake, IsTakenAsBrowsersSendIt) {
  EXPECT_EQ(status_of_handshake({kVersion, kKey}), 101u);
  EXPECT_EQ(status_of_handshake({kVersion, kKey, {"Content-Length", "0"}}), 101u);
}

TEST(Handshake, NeedsAKeyOfSixteenBytes) {
  EXPECT_EQ(status_of_handshake({kVersion}), 400u);
  EXPECT_EQ(status_of_handshake({kVersion, kKey, kKey}), 400u);
  for (const char* key :
       {"", "x", "dGhl", "AAAAAAAAAAAAAAAAAAAA", "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZWU=", "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25j ZQ==", "!!!!!!!!!!!!!!!!!!!!!!==", "dGhlIHNhbXBsZSBub25jZQ==\x01"}) {
    EXPECT_EQ(status_of_handshake({kVersion, {"Sec-WebSocket-Key", key}}), 400u) << key;
  }
}

TEST(Handshake, NamesTheVersionThatIsSpoken) {
  for (const char* version : {"", "8", "013", "13, 8", "+13"}) {
    EXPECT_EQ(status_of_handshake({{"Sec-WebSocket-Version", version}, kKey}), 426u) << version;
  }
  EXPECT_EQ(status_of_handshake({kVersion, kVersion, kKey}), 426u);
  const auto refused = refused_handshake(headers_of({kKey}));
  EXPECT_EQ(refused->headers.find("Sec-WebSocket-Version"), "13");
}

TEST(Handshake, HasNoBody) {
  EXPECT_EQ(status_of_handshake({kVersion, kKey, {"Content-Length", "5"}}), 400u);
  EXPECT_EQ(status_of_handshake({kVersion, kKey, {"Transfer-Encoding", "chunked"}}), 400u);
}

}  // namespace
}  // namespace comfy::server
