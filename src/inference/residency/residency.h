// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <typeindex>
#include <utility>

namespace comfy::residency {

/// Keeps prepared networks and encoders in memory between prompts, within a budget.
///
/// Keys tell content (checkpoint::Weights::key(): file identity, precision, patches), so that a
/// renamed node or a second loader finds what is there. When the sum exceeds the budget, what was
/// used longest ago is let go; whoever still holds it keeps it alive. Threads may share one.
class Residency {
 public:
  explicit Residency(std::size_t budget_bytes) : budget_{budget_bytes} {}

  template <class T>
  struct Built {
    std::shared_ptr<const T> value;
    std::size_t bytes = 0;  ///< memory of its own, without what is mapped from files
  };

  /// The thing of that key, built when it is not there. One thing is built at a time; what `build`
  /// throws passes through and leaves nothing behind.
  template <class T, class Build>
  std::shared_ptr<const T> get(const std::string& key, Build&& build) {
    auto found = find_or_build(key, typeid(T), [&]() -> Built<void> {
      Built<T> built = build();
      return {std::move(built.value), built.bytes};
    });
    return std::static_pointer_cast<const T>(std::move(found));
  }

  /// Lets everything go (the route /free, memory pressure).
  void free();
  void set_budget(std::size_t bytes);
  /// The sum of what is kept.
  std::size_t bytes() const;
  std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::type_index type;
    std::shared_ptr<const void> value;
    std::size_t bytes;
  };

  std::shared_ptr<const void> find_or_build(const std::string& key, std::type_index type,
                                            const std::function<Built<void>()>& build);
  std::shared_ptr<const void> find(const std::string& key, std::type_index type);
  std::list<Entry> shrink();

  std::mutex building_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // used last in front
  std::size_t budget_;
  std::size_t bytes_ = 0;
};

}  // namespace comfy::residency
