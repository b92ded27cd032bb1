// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "foundation/base/json.h"
#include "foundation/graph/prompt.h"
#include "worker/engine/value.h"

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace comfy::engine {

/// Text as a template argument, such as the type name in Socket<"IMAGE">.
template <std::size_t N>
struct FixedString {
  char text[N]{};
  consteval FixedString(const char (&literal)[N]) {  // NOLINT(google-explicit-constructor)
    std::copy_n(literal, N, text);
  }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

// --- Types of members that a node declares besides its own values. ---

/// An input or output that takes every type ("*").
using Any = Value;

/// An input that is computed only when check_lazy_status asks for it.
template <class T>
struct Lazy {
  std::optional<T> value;
  explicit operator bool() const { return value.has_value(); }
  const T& operator*() const { return *value; }
  const T* operator->() const { return &*value; }
};

/// An output that is a list: the nodes behind it run once for each element.
template <class T>
struct List : std::vector<T> {
  using std::vector<T>::vector;
};

/// An input that is the wire itself, not what travels on it.
struct RawLink {
  graph::Link link;
};

/// The name of a file in one of these model folders.
template <FixedString... Folders>
struct ModelFile {
  std::string name;
  operator const std::string&() const { return name; }  // NOLINT(google-explicit-constructor)
};

/// The name of a file in the input folder, perhaps annotated ("a.png [output]"). Kind: see
/// FileMark.
template <FixedString Kind>
struct InputFile {
  std::string name;
  operator const std::string&() const { return name; }  // NOLINT(google-explicit-constructor)
};
using InputImage = InputFile<"image">;

/// Inputs that are not declared but linked, by name, for nodes that take any number of them.
using ExtraInputs = std::vector<std::pair<std::string, Value>>;

// --- Options of an input: one struct per widget, written with designated initializers. ---
// The default is the initializer of the member; `show_default` overrides whether it is shown.

/// The choices of a combo: {"a", "b"}, or a function that lists them.
class Choices {
 public:
  Choices() = default;
  Choices(std::initializer_list<const char*> names)  // NOLINT(google-explicit-constructor)
      : names_{names.begin(), names.end()}, set_{true} {}
  Choices(std::vector<std::string> names)  // NOLINT(google-explicit-constructor)
      : names_{std::move(names)}, set_{true} {}
  template <std::invocable Function>
  Choices(Function list) : set_{true} {  // NOLINT(google-explicit-constructor)
    for (const auto& name : list()) names_.emplace_back(name);
  }
  bool set() const { return set_; }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  bool set_ = false;
};

struct SocketOptions {
  std::string_view type = {};  ///< in place of the port's own name, such as "IMAGE,MASK"
  bool force_input = false;
  bool show_empty = false;  ///< shows {} where no option is declared (classic style)
  Json::Object extra = {};  ///< further options as they are shown
  std::string_view tooltip = {};
};

template <class T>
struct NumberOptions {
  std::optional<T> min = {}, max = {}, step = {};
  std::optional<Json> round = {};  ///< a number, or false
  std::optional<bool> control_after_generate = {};
  std::string_view display = {};  ///< "slider", "color" ..
  bool force_input = false;
  std::optional<bool> show_default = {};
  std::string_view type = {};
  Json::Object extra = {};
  std::string_view tooltip = {};
};

struct StringOptions {
  Choices choices = {};  ///< set: a combo
  std::optional<bool> multiline = {};
  std::string_view placeholder = {};
  std::optional<bool> dynamic_prompts = {};
  bool force_input = false;
  std::optional<bool> show_default = {};  ///< otherwise shown when it is not empty
  bool new_combo = false;                 ///< ["COMBO", {..}] in classic style too
  std::string_view type = {};
  Json::Object extra = {};
  std::string_view tooltip = {};
};

struct BooleanOptions {
  std::string_view label_on = {}, label_off = {};
  bool force_input = false;
  std::optional<bool> show_default = {};
  std::string_view type = {};
  Json::Object extra = {};
  std::string_view tooltip = {};
};

struct FileOptions {
  std::vector<std::string> first = {}, last = {};  ///< fixed choices around the files
  bool image_upload = false, audio_upload = false, video_upload = false, file_upload = false;
  std::optional<bool> show_default = {};
  Json::Object extra = {};
  std::string_view tooltip = {};
};

// --- Ports: what a C++ type is called on the wire, and which options its widget takes. ---

/// Specialised for every type that may be a member of In or Out; a socket takes one line:
/// `template <> struct Port<Image> : Socket<"IMAGE"> {};`
template <class T>
struct Port;

template <FixedString Name>
struct Socket {
  static constexpr std::string_view type = Name.view();
  using Options = SocketOptions;
};

/// A port whose values travel as Json. Converters throw Error(invalid_input) with what they got.
template <class T>
concept JsonPort = requires(const Json& json, const T& value) {
  { Port<T>::from_json(json) } -> std::same_as<T>;
  { Port<T>::to_json(value) } -> std::same_as<Json>;
};

std::int64_t int_from_json(const Json& json, std::int64_t low, std::int64_t high);
std::uint64_t seed_from_json(const Json& json);
double float_from_json(const Json& json);
std::string string_from_json(const Json& json);
bool boolean_from_json(const Json& json);
graph::Link link_from_json(const Json& json);

template <class T>
struct IntPort {
  static constexpr std::string_view type = "INT";
  using Options = NumberOptions<T>;
  static T from_json(const Json& json) {
    if constexpr (std::same_as<T, std::uint64_t>)
      return seed_from_json(json);
    else
      return static_cast<T>(
          int_from_json(json, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
  static Json to_json(const T& value) { return value; }
};
template <>
struct Port<int> : IntPort<int> {};
template <>
struct Port<std::int64_t> : IntPort<std::int64_t> {};
template <>
struct Port<std::uint64_t> : IntPort<std::uint64_t> {};

template <class T>
struct FloatPort {
  static constexpr std::string_view type = "FLOAT";
  using Options = NumberOptions<double>;
  static T from_json(const Json& json) { return static_cast<T>(float_from_json(json)); }
  static Json to_json(const T& value) { return static_cast<double>(value); }
};
template <>
struct Port<double> : FloatPort<double> {};
template <>
struct Port<float> : FloatPort<float> {};

template <>
struct Port<std::string> {
  static constexpr std::string_view type = "STRING";
  using Options = StringOptions;
  static std::string from_json(const Json& json) { return string_from_json(json); }
  static Json to_json(const std::string& value) { return value; }
};
template <>
struct Port<bool> {
  static constexpr std::string_view type = "BOOLEAN";
  using Options = BooleanOptions;
  static bool from_json(const Json& json) { return boolean_from_json(json); }
  static Json to_json(const bool& value) { return value; }
};
template <>
struct Port<Any> : Socket<"*"> {};

template <>
struct Port<RawLink> : Socket<"*"> {
  static RawLink from_json(const Json& json) { return {link_from_json(json)}; }
  static Json to_json(const RawLink& raw) { return raw.link.to_json(); }
};

template <FixedString... Folders>
struct Port<ModelFile<Folders...>> {
  static constexpr std::string_view type = "COMBO";
  using Options = FileOptions;
  static std::vector<std::string> folders() { return {std::string{Folders.view()}...}; }
  static ModelFile<Folders...> from_json(const Json& json) { return {string_from_json(json)}; }
  static Json to_json(const ModelFile<Folders...>& file) { return file.name; }
};
template <FixedString Kind>
struct Port<InputFile<Kind>> {
  static constexpr std::string_view type = "COMBO";
  using Options = FileOptions;
  static std::string kind() { return std::string{Kind.view()}; }
  static InputFile<Kind> from_json(const Json& json) { return {string_from_json(json)}; }
  static Json to_json(const InputFile<Kind>& file) { return file.name; }
};

}  // namespace comfy::engine
