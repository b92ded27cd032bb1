// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "frontend/server/response.h"

namespace comfy::server {

/// The HTTP status of an error: the only place that knows it.
unsigned status_of(const Error& error);

/// The answer to a request that ended with an error, in ComfyUI's form:
/// {"error": {"type", "message", "details", "extra_info"}, "node_errors": {}}.
Response error_reply(const Error& error);

/// The answer to an exception of any kind, called inside a catch block. What is not an Error is
/// logged and shown as an internal error without its text.
Response error_reply_for_current_exception();

/// "404: Not Found" as text, the form of answers that no handler made.
Response plain_error(unsigned status);

/// The words that go with a status in the first line of an answer.
std::string_view reason_phrase(unsigned status);

}  // namespace comfy::server
