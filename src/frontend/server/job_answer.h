// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "frontend/jobs/answer.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <utility>

namespace comfy::server {

/// Awaits a call of the job layer: `start` gets the `Done` to hand over. The coroutine goes on
/// where it ran before; an error answer is thrown.
template <class T, class Start>
boost::asio::awaitable<T> answer_of(Start start) {
  namespace asio = boost::asio;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto initiate = [executor, start = std::move(start)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    start([shared, executor](jobs::Answer<T> answer) {
      asio::post(executor, [shared, answer = std::move(answer)]() mutable {
        std::move (*shared)(std::move(answer));
      });
    });
  };
  using Token = asio::use_awaitable_t<>;
  Token token;
  jobs::Answer<T> answer =
      co_await asio::async_initiate<Token, void(jobs::Answer<T>)>(std::move(initiate), token);
  co_return std::move(answer).get();
}

}  // namespace comfy::server
