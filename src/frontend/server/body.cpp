// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/body.h"

#include "foundation/base/error.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace comfy::server {

Body::Body(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  view_ = *owner;
  owner_ = std::move(owner);
}

Body Body::map(int descriptor, std::size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED) {
    throw Error{Error::Kind::unavailable, "a request body could not be mapped",
                std::strerror(errno)};
  }
  Body body;
  body.owner_ = std::shared_ptr<const void>{
      address, [size](const void* start) { ::munmap(const_cast<void*>(start), size); }};
  body.view_ = {static_cast<const char*>(address), size};
  return body;
}

}  // namespace comfy::server
