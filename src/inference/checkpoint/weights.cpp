// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/checkpoint/weights.h"

#include "foundation/base/error.h"
#include "inference/checkpoint/patch.h"
#include "inference/checkpoint/source.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <unordered_map>

namespace comfy::checkpoint {
namespace {

using WeakStorage = decltype(std::declval<const c10::Storage&>().getWeakStorageImpl());

// Converted tensors by what they were made from, held as long as anybody else holds them. The
// memory is what is held: a view of the tensor keeps it as well as the tensor itself.
class SharedTensors {
 public:
  Tensor find(const std::string& key) {
    const std::lock_guard lock{mutex_};
    const auto found = known_.find(key);
    if (found == known_.end()) return {};
    auto storage = found->second.storage.lock();
    if (!storage) return {};
    return at::empty({0}, at::TensorOptions{}.dtype(found->second.dtype))
        .set_(c10::Storage{std::move(storage)}, 0, found->second.shape);
  }

  void add(const std::string& key, const Tensor& tensor) {
    const std::lock_guard lock{mutex_};
    if (known_.size() >= next_sweep_) {
      std::erase_if(known_, [](const auto& row) { return row.second.storage.expired(); });
      next_sweep_ = 2 * known_.size() + kSweepAtLeast;
    }
    known_.insert_or_assign(key, Entry{tensor.storage().getWeakStorageImpl(), tensor.scalar_type(),
                                       tensor.sizes().vec()});
  }

 private:
  static constexpr std::size_t kSweepAtLeast = 4096;
  struct Entry {
    WeakStorage storage;
    DType dtype;
    Shape shape;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> known_;
  std::size_t next_sweep_ = kSweepAtLeast;
};

// What all views of one source have in common.
struct Ledger {
  explicit Ledger(std::size_t tensors) : used(tensors) {}
  std::vector<std::atomic<bool>> used;
  SharedTensors shared;
  std::mutex mutex;
  std::vector<std::string> misfits;
};

}  // namespace

struct Weights::State {
  std::shared_ptr<const TensorSource> source;
  std::shared_ptr<Ledger> ledger;
  Precision precision;
  std::shared_ptr<const PatchSet> patches;

  const TensorInfo& info(std::size_t index) const { return source->tensors()[index]; }

  Tensor tensor(std::size_t index) const {
    ledger->used[index].store(true, std::memory_order_relaxed);
    const TensorInfo& about = info(index);
    const std::vector<Patch>* changes = patches ? patches->find(about.name) : nullptr;
    const DType rounded = precision.storage.value_or(precision.compute);
    const bool as_it_is =
        changes == nullptr && rounded == about.dtype && precision.compute == about.dtype;
    // Counters and masks are no numbers to round.
    if (as_it_is || !c10::isFloatingType(about.dtype)) return source->read(index);
    const std::string key =
        fmt::format("{}|{}|{}|{}", index, static_cast<int>(rounded),
                    static_cast<int>(precision.compute), changes ? patches->key(about.name) : "");
    if (Tensor known = ledger->shared.find(key); known.defined()) return known;
    Tensor made = source->read(index).to(rounded);
    if (changes != nullptr) made = patched(made, *changes, about.name).to(rounded);
    made = made.to(precision.compute).contiguous();
    ledger->shared.add(key, made);
    source->release(index);
    return made;
  }

  Tensor patched(const Tensor& tensor, const std::vector<Patch>& changes,
                 const std::string& name) const {
    Patched result = apply_patches(tensor, changes);
    if (!result.misfits.empty()) {
      const std::lock_guard lock{ledger->mutex};
      for (const std::string& misfit : result.misfits) {
        ledger->misfits.push_back(fmt::format("\"{}\": {}", name, misfit));
      }
    }
    return result.tensor;
  }
};

Weights::Weights(std::shared_ptr<const TensorSource> source)
    : state_{std::make_shared<const State>(
          State{source, std::make_shared<Ledger>(source->tensors().size()), {}, {}})} {}

Weights::Weights(std::shared_ptr<const State> state, std::string scope)
    : state_{std::move(state)}, scope_{std::move(scope)} {}

namespace {

std::string joined(std::string_view scope, std::string_view name) {
  if (scope.empty()) return std::string{name};
  if (name.empty()) return std::string{scope};
  return fmt::format("{}.{}", scope, name);
}

std::string as_prefix(std::string_view scope) {
  return scope.empty() ? std::string{} : fmt::format("{}.", scope);
}

}  // namespace

Weights Weights::operator/(std::string_view scope) const {
  if (scope.ends_with('.')) scope.remove_suffix(1);
  return Weights{state_, joined(scope_, scope)};
}

Weights Weights::operator/(std::int64_t index) const { return *this / std::to_string(index); }

Weights Weights::with(Precision precision) const {
  State state = *state_;
  state.precision = precision;
  return Weights{std::make_shared<const State>(std::move(state)), scope_};
}

Weights Weights::with(std::shared_ptr<const PatchSet> patches) const {
  State state = *state_;
  state.patches = std::move(patches);
  return Weights{std::make_shared<const State>(std::move(state)), scope_};
}

namespace {

[[noreturn]] void missing(const std::string& name) {
  throw Error(Error::Kind::invalid_input, fmt::format("the file has no tensor \"{}\"", name));
}

std::size_t index_of(const TensorSource& source, const std::string& name) {
  const auto index = source.find(name);
  if (!index) missing(name);
  return *index;
}

}  // namespace

Tensor Weights::operator[](std::string_view name) const {
  return state_->tensor(index_of(*state_->source, joined(scope_, name)));
}

Tensor Weights::get(std::string_view name) const {
  const auto index = state_->source->find(joined(scope_, name));
  return index ? state_->tensor(*index) : Tensor{};
}

bool Weights::has(std::string_view name) const {
  return state_->source->find(joined(scope_, name)).has_value();
}

bool Weights::has_scope(std::string_view scope) const {
  return state_->source->has_prefix(as_prefix(joined(scope_, scope)));
}

Shape Weights::shape(std::string_view name) const {
  return state_->info(index_of(*state_->source, joined(scope_, name))).shape;
}

std::int64_t Weights::dim(std::string_view name, std::size_t axis) const {
  const Shape sizes = shape(name);
  if (axis >= sizes.size()) {
    throw Error(Error::Kind::invalid_input,
                fmt::format("expected more than {} dimensions of tensor \"{}\", found {}", axis,
                            joined(scope_, name), sizes.size()));
  }
  return sizes[axis];
}

DType Weights::dtype(std::string_view name) const {
  return state_->info(index_of(*state_->source, joined(scope_, name))).dtype;
}

std::int64_t Weights::count(std::string_view scope) const {
  std::int64_t number = 0;
  const auto is_there = [&](const std::string& child) { return has_scope(child) || has(child); };
  while (is_there(joined(scope, std::to_string(number)))) ++number;
  return number;
}

std::vector<std::string> Weights::names() const {
  const std::string prefix = as_prefix(scope_);
  std::vector<std::string> result;
  for (const std::size_t index : state_->source->with_prefix(prefix)) {
    result.push_back(state_->info(index).name.substr(prefix.size()));
  }
  return result;
}

std::vector<std::string> Weights::unused() const {
  std::vector<std::string> result;
  for (const std::size_t index : state_->source->with_prefix(as_prefix(scope_))) {
    if (!state_->ledger->used[index].load(std::memory_order_relaxed))
      result.push_back(state_->info(index).name);
  }
  return result;
}

const std::string& Weights::scope() const { return scope_; }

std::string Weights::full_name(std::string_view name) const {
  return scope_.empty() ? std::string{name} : fmt::format("{}.{}", scope_, name);
}

void Weights::release(std::string_view name) const {
  if (const auto index = state_->source->find(joined(scope_, name)))
    state_->source->release(*index);
}

std::vector<std::string> Weights::misfits() const {
  const std::lock_guard lock{state_->ledger->mutex};
  return state_->ledger->misfits;
}

std::string Weights::metadata(std::string_view key) const {
  const Metadata& all = state_->source->metadata();
  const auto found = all.find(key);
  return found == all.end() ? std::string{} : found->second;
}

const Precision& Weights::precision() const { return state_->precision; }
const std::shared_ptr<const TensorSource>& Weights::source() const { return state_->source; }
const std::shared_ptr<const PatchSet>& Weights::patches() const { return state_->patches; }

std::string Weights::key() const {
  const Precision& p = state_->precision;
  return fmt::format("{}|{}|{}|{}|{}", state_->source->identity(), scope_,
                     p.storage ? std::to_string(static_cast<int>(*p.storage)) : "file",
                     static_cast<int>(p.compute), state_->patches ? state_->patches->key() : "");
}

}  // namespace comfy::checkpoint
