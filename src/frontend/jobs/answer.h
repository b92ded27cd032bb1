// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"

#include <functional>
#include <utility>
#include <variant>

namespace comfy::jobs {

/// What a call that ends on another thread hands back: its value, or the error it would have
/// thrown.
template <class T>
class Answer {
 public:
  Answer(T value) : result_{std::move(value)} {}      // NOLINT(google-explicit-constructor)
  Answer(Error error) : result_{std::move(error)} {}  // NOLINT(google-explicit-constructor)

  bool succeeded() const { return std::holds_alternative<T>(result_); }
  const Error& error() const { return std::get<Error>(result_); }
  /// The value; throws the error when there is none.
  T get() && {
    if (const Error* error = std::get_if<Error>(&result_)) throw Error(*error);
    return std::get<T>(std::move(result_));
  }
  const T& get() const& {
    if (const Error* error = std::get_if<Error>(&result_)) throw Error(*error);
    return std::get<T>(result_);
  }

 private:
  std::variant<T, Error> result_;
};

/// Called once, mostly from a thread of the store or link: it must be quick and must not throw.
/// Hand the answer over to your own executor (asio::post).
template <class T>
using Done = std::function<void(Answer<T>)>;

/// The value of calls that answer nothing but "done".
struct Nothing {};

}  // namespace comfy::jobs
