// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace comfy::server {

/// A few threads for what may wait: disk, directory listings, image conversion, long JSON.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads) : pool_{threads} {}
  /// Waits for what is running; what waits is dropped.
  ~BlockingPool() {
    pool_.stop();
    pool_.join();
  }
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Calls `work` on one of the threads and gives its result, or its exception, to the awaiting
  /// coroutine: `auto list = co_await services.blocking.run([path] { return list_folder(path); });`
  /// The callable may capture (it is no coroutine); name it first when it holds braced temporaries.
  template <class Work>
  boost::asio::awaitable<std::invoke_result_t<Work>> run(Work work) {
    return boost::asio::co_spawn(pool_, call(std::move(work)), boost::asio::use_awaitable);
  }

 private:
  template <class Work>
  static boost::asio::awaitable<std::invoke_result_t<Work>> call(Work work) {
    co_return work();
  }
  boost::asio::thread_pool pool_;
};

}  // namespace comfy::server
