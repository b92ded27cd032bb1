// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/server/error_reply.h"

#include "foundation/paths/client_path.h"
#include "frontend/server/log.h"

#include <boost/beast/http/status.hpp>

namespace comfy::server {

unsigned status_of(const Error& error) {
  using Kind = Error::Kind;
  if (error.details == "queue_full" || error.details == "rate_limited") return 429;
  if (error.details == "disk_full") return 507;
  switch (error.kind) {
    case Kind::invalid_prompt:
    case Kind::invalid_input:
      return 400;
    case Kind::forbidden:
      return 403;
    case Kind::not_found:
      return 404;
    case Kind::conflict:
      return 409;
    case Kind::too_large:
      return 413;
    case Kind::unsupported:
      return 501;
    case Kind::out_of_memory:
    case Kind::interrupted:
    case Kind::unavailable:
      return 503;
    case Kind::internal:
      return 500;
  }
  return 500;
}

Response error_reply(const Error& error) {
  const unsigned status = status_of(error);
  const bool refused_path = error.details == paths::kRefusedPath;
  // A conflict or refusal that the store names ("prompt_id_conflict") is that type on the wire.
  const bool named = error.kind == Error::Kind::conflict || status == 429 || status == 507;
  const std::string type = named && !error.details.empty() ? error.details : kind_name(error.kind);
  Json::Object extra;
  if (!error.input_name.empty()) extra["input_name"] = error.input_name;
  if (!error.node_id.empty()) extra["node_id"] = error.node_id;
  Response response = json_response(
      Json::Object{{"error", Json::Object{{"type", type},
                                          {"message", error.message},
                                          {"details", named || refused_path ? "" : error.details},
                                          {"extra_info", std::move(extra)}}},
                   {"node_errors", Json::Object{}}},
      status);
  if (refused_path) response.refused_path = error.message;
  if (status == 503 || status == 429) response.headers.add("Retry-After", "5");
  return response;
}

Response error_reply_for_current_exception() {
  try {
    throw;
  } catch (const Error& error) {
    if (error.kind == Error::Kind::internal) log.error("{}: {}", error.message, error.details);
    return error_reply(error);
  } catch (const std::bad_alloc&) {
    return error_reply(Error{Error::Kind::out_of_memory, "not enough memory for this request"});
  } catch (const std::exception& error) {
    log.error("a handler ended with {}", error.what());
    return error_reply(Error{Error::Kind::internal, "an internal error; the log says more"});
  }
}

std::string_view reason_phrase(unsigned status) {
  const auto text =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  return {text.data(), text.size()};
}

Response plain_error(unsigned status) {
  return text_response(fmt::format("{}: {}", status, reason_phrase(status)), status);
}

}  // namespace comfy::server
