// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/random.h"

#include <cstddef>
#include <string>

namespace comfy {

/// A random UUID (version 4), lower case, for instance "0d6e1c3c-8a57-4c09-9d1b-8a2f1f0f5b66".
std::string uuid4(Random& random);

/// Lower-case hexadecimal digits of `bytes` random bytes.
std::string random_hex(Random& random, std::size_t bytes);

/// `count` random letters of `alphabet`, for instance the five of a temporary file prefix.
std::string random_letters(Random& random, std::size_t count, const char* alphabet);

}  // namespace comfy
