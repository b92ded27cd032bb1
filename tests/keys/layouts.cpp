// SPDX-License-Identifier: GPL-3.0-or-later
#include "keys/layouts.h"

#include "foundation/base/error.h"
#include "inference/tensor/ops.h"

#include <fmt/format.h>
#include <zlib.h>

#include <fstream>
#include <map>
#include <sstream>

namespace comfy::keys {
namespace {

constexpr const char* kFolder = "tests/keys";  // tests run in the repository's root
constexpr std::int64_t kSmall = 4096;

std::string read_gzip(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw Error(Error::Kind::not_found, fmt::format("no layout {}", path));
  std::string text;
  char buffer[1 << 16];
  for (int got = 0; (got = gzread(file, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  gzclose(file);
  return text;
}

DType dtype_named(const std::string& name) {
  static const std::map<std::string, DType> kTypes{
      {"F32", DType::Float},  {"F16", DType::Half}, {"BF16", DType::BFloat16}, {"I64", DType::Long},
      {"F64", DType::Double}, {"U8", DType::Byte},  {"I32", DType::Int}};
  return kTypes.at(name);
}

}  // namespace

checkpoint::SourcePtr layout(std::string_view name) {
  const Json table = parse_json(read_gzip(fmt::format("{}/{}.json.gz", kFolder, name)));
  checkpoint::NamedTensors tensors;
  for (const auto& [tensor, entry] : table.as_object()) {
    Shape shape;
    std::int64_t count = 1;
    for (const Json& size : entry.as_array().at(1).as_array()) {
      shape.push_back(size.as_int());
      count *= shape.back();
    }
    const auto options = at::TensorOptions().dtype(dtype_named(entry.as_array().at(0).as_string()));
    tensors.emplace_back(tensor, count <= kSmall ? at::ones(shape, options)
                                                 : at::empty(shape, options.device(at::kMeta)));
  }
  return checkpoint::dictionary_source(std::move(tensors));
}

Json expected_layouts() {
  std::ifstream in(fmt::format("{}/expected.json", kFolder));
  std::ostringstream text;
  text << in.rdbuf();
  return parse_json(text.str());
}

}  // namespace comfy::keys
