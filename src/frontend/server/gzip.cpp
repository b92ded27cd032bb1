// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/gzip.h"

#include "foundation/base/error.h"
#include "foundation/base/strings.h"

#include <zlib.h>

namespace comfy::server {

std::string gzip(std::string_view bytes, int level) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;  // 16 asks zlib for a gzip head and tail
  if (::deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Error{Error::Kind::out_of_memory, "no memory to compress an answer"};
  }
  std::string result(::deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  const int code = ::deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  ::deflateEnd(&stream);
  COMFY_ASSERT(code == Z_STREAM_END);  // the bound leaves room for everything
  return result;
}

bool accepts_gzip(std::string_view accept_encoding) {
  for (const std::string_view part : split(accept_encoding, ',')) {
    const std::string coding = lower(trim(part));
    if (!coding.starts_with("gzip")) continue;
    const std::size_t weight = coding.find("q=");
    return weight == std::string::npos ||
           coding.find_first_of("123456789", weight) != std::string::npos;
  }
  return false;
}

}  // namespace comfy::server
