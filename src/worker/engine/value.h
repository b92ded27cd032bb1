// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace comfy::engine {

/// What travels in place of a value when nothing downstream of it shall run. The first node that
/// meets a message reports it; behind that node the blocker is silent.
struct Blocker {
  std::optional<std::string> message;
};

/// A value on its way between nodes: any C++ type, shared and never changed once it is in.
///
/// INT, FLOAT, STRING and BOOLEAN travel as Json; null is the empty value. Copying is cheap.
class Value {
 public:
  Value() = default;
  Value(Json json) {  // NOLINT(google-explicit-constructor)
    if (!json.is_null()) *this = of(std::move(json));
  }

  template <class T>
  static Value of(T value) {
    Value made;
    made.box_ = std::make_shared<Holder<std::decay_t<T>>>(std::move(value));
    return made;
  }

  bool is_null() const { return !box_; }
  /// The value when it is a T, else nothing.
  template <class T>
  const T* get() const {
    if (!box_ || *box_->type != typeid(T)) return nullptr;
    return &static_cast<const Holder<T>*>(box_.get())->value;
  }
  const Json* json() const { return get<Json>(); }
  const Blocker* blocker() const { return get<Blocker>(); }

  /// A number, text, flag or null as itself, everything else as a short text for people: what
  /// `describe_value(const T&)` beside T says, else the name of its type.
  Json describe() const;
  /// Bytes of the machine's memory it holds, as `memory_of(const T&)` beside T says, else 0.
  std::size_t memory() const { return box_ ? box_->memory() : 0; }

 private:
  static std::string type_name(const std::type_info& type);
  struct Box {
    explicit Box(const std::type_info& of_type) : type{&of_type} {}
    virtual ~Box() = default;
    virtual std::string describe() const = 0;
    virtual std::size_t memory() const = 0;
    const std::type_info* type;
  };
  template <class T>
  struct Holder final : Box {
    explicit Holder(T held) : Box{typeid(T)}, value{std::move(held)} {}
    std::string describe() const override {
      if constexpr (requires { std::string{describe_value(value)}; })
        return describe_value(value);
      else
        return type_name(typeid(T));
    }
    std::size_t memory() const override {
      if constexpr (requires { std::size_t{memory_of(value)}; })
        return memory_of(value);
      else
        return 0;
    }
    T value;
  };
  std::shared_ptr<const Box> box_;
};

}  // namespace comfy::engine
