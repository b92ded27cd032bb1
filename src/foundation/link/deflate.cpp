// SPDX-License-Identifier: GPL-3.0-or-later
#include "foundation/base/error.h"
#include "foundation/link/message.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace comfy::link {

std::string deflate(std::string_view plain) {
  uLongf size = compressBound(static_cast<uLong>(plain.size()));
  std::string packed(size, '\0');
  const int result =
      compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                reinterpret_cast<const Bytef*>(plain.data()), static_cast<uLong>(plain.size()), 6);
  if (result != Z_OK) throw Error(Error::Kind::out_of_memory, "zlib could not pack a message");
  packed.resize(size);
  return packed;
}

std::string inflate(std::string_view packed, std::size_t max_bytes) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK)
    throw Error(Error::Kind::out_of_memory, "zlib could not start to unpack a message");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in =
      static_cast<uInt>(std::min<std::size_t>(packed.size(), std::numeric_limits<uInt>::max()));
  std::string plain;
  char chunk[16 * 1024];
  int result = Z_OK;
  while (result == Z_OK && plain.size() <= max_bytes) {
    stream.next_out = reinterpret_cast<Bytef*>(chunk);
    stream.avail_out = sizeof chunk;
    result = ::inflate(&stream, Z_NO_FLUSH);
    plain.append(chunk, sizeof chunk - stream.avail_out);
  }
  inflateEnd(&stream);
  if (plain.size() > max_bytes)
    throw Error(Error::Kind::too_large,
                fmt::format("a message must unpack to at most {} bytes, got more", max_bytes));
  if (result != Z_STREAM_END)
    throw Error(Error::Kind::invalid_input, "a packed message ends early or is damaged");
  return plain;
}

}  // namespace comfy::link
