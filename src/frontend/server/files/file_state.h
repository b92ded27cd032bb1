// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/error.h"
#include "foundation/base/json.h"
#include "foundation/paths/model_folder.h"
#include "frontend/server/blocking_pool.h"
#include "frontend/server/response.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>

namespace comfy::server {

/// Converts pictures for clients, a few at once: each may take much memory.
class Conversions {
 public:
  Conversions(std::size_t at_once, std::size_t waiting)
      : pool_{at_once}, most_{at_once + waiting} {}

  /// Calls `work` on a thread of its own pool. Throws Error(unavailable) when too many wait
  /// already.
  template <class Work>
  boost::asio::awaitable<std::invoke_result_t<Work>> run(Work work) {
    const Place place{*this};
    co_return co_await pool_.run(std::move(work));
  }

 private:
  struct Place {
    explicit Place(Conversions& all) : count{all.count_} {
      if (count.fetch_add(1) < all.most_) return;
      --count;
      throw Error{Error::Kind::unavailable,
                  "too many pictures are being converted; try again in a moment"};
    }
    ~Place() { --count; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    std::atomic<std::size_t>& count;
  };

  BlockingPool pool_;
  std::size_t most_;
  std::atomic<std::size_t> count_{0};
};

/// Lists of models as the JSON that is sent, kept until the list changes.
class ModelTexts {
 public:
  SharedBytes text_of(const std::string& kind, const paths::ModelList& list) {
    const std::lock_guard lock{mutex_};
    Text& text = texts_[kind];
    if (!text.bytes || text.generation != list.generation) {
      text.generation = list.generation;
      text.bytes = std::make_shared<const std::string>(to_json(Json::array(list.names())));
    }
    return text.bytes;
  }

 private:
  struct Text {
    std::uint64_t generation = 0;
    SharedBytes bytes;
  };
  std::mutex mutex_;
  std::map<std::string, Text, std::less<>> texts_;
};

/// What the routes of files/ share between requests.
struct FileState {
  Conversions conversions{2, 64};
  ModelTexts model_texts;
  std::mutex profiles;  ///< held while users.json or somebody's settings are read and rewritten
};

}  // namespace comfy::server
