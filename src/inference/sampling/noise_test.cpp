// SPDX-License-Identifier: GPL-3.0-or-later
#include "inference/sampling/noise.h"

#include "foundation/base/json.h"
#include "foundation/base/strings.h"
#include "inference/sampling/brownian.h"
#include "inference/sampling/golden_sampling.h"
#include "inference/sampling/seed_sequence.h"
#include "inference/sampling/stepping.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>

namespace comfy::sampling {
namespace {

Shape shape_of(std::string_view text, char separator) {
  Shape shape;
  for (const auto part : split(text, separator)) shape.push_back(std::stoll(std::string{part}));
  return shape;
}

std::uint64_t seed_of(const golden::Case& recorded) {
  return std::stoull(recorded.info().at("seed").as_string());
}

TEST(PrepareNoise, GivesTheRecordedNumbersForEverySeed) {
  int compared = 0;
  for (const auto& file : recorded_cases("noise")) {
    if (!file.stem().string().starts_with("seed_")) continue;
    const auto recorded = golden::Case::load(file);
    for (const std::string& name : recorded.names("expected.")) {
      const auto parts = split(name, '.');
      tensor::Generator generator{seed_of(recorded)};
      Tensor actual;
      if (parts[1] == "batch_index") {
        const Shape index = shape_of(parts[2], '-');
        actual = prepare_noise(at::zeros({static_cast<std::int64_t>(index.size()), 4, 8, 8}),
                               generator, index);
      } else if (parts[1] == "next") {
        prepare_noise(at::zeros(shape_of(parts[2], 'x')), generator);
        actual = generator.randn({3});
      } else {
        const std::string_view shape = parts.back();
        actual =
            prepare_noise(at::zeros(shape_of(shape, 'x'), recorded[name].options()), generator);
      }
      EXPECT_TRUE(at::equal(recorded[name], actual)) << file << " " << name;
      ++compared;
    }
  }
  if (compared == 0) GTEST_SKIP() << golden::kNoRecordedData;
}

TEST(PrepareNoise, RefusesNegativeBatchIndices) {
  tensor::Generator generator{1};
  const std::array<std::int64_t, 1> index{-1};
  EXPECT_THROW(prepare_noise(at::zeros({1, 4, 2, 2}), generator, index), Error);
}

TEST(FixEmptyLatentChannels, GivesOnlyEmptyLatentsTheModelsChannels) {
  EXPECT_EQ(fix_empty_latent_channels(at::zeros({2, 4, 8, 8}), 16, 2).sizes(),
            (Shape{2, 16, 8, 8}));
  EXPECT_EQ(fix_empty_latent_channels(at::ones({2, 4, 8, 8}), 16, 2).sizes(), (Shape{2, 4, 8, 8}));
  EXPECT_EQ(fix_empty_latent_channels(at::zeros({2, 4, 8, 8}), 16, 3).sizes(),
            (Shape{2, 16, 1, 8, 8}));
}

TEST(SeedSequence, GivesNumpysNumbers) {
  const auto shared = golden::shared_folder();
  if (!shared) GTEST_SKIP() << golden::kNoRecordedData;
  std::ifstream file{*shared / "golden/noise/brownian_internals.json"};
  const Json recorded = parse_json(std::string{std::istreambuf_iterator<char>{file}, {}});
  for (const Json& row : recorded.at("seed_sequence").as_array()) {
    std::vector<std::uint64_t> key;
    for (const Json& part : row.at("spawn_key").as_array())
      key.push_back(std::stoull(part.as_string()));
    const auto numbers = seed_sequence(std::stoull(row.at("entropy").as_string()), key,
                                       row.at("pool_size").as_uint(), 4);
    Json::Array actual;
    for (const std::uint32_t number : numbers) actual.emplace_back(number);
    EXPECT_EQ(Json{actual}, row.at("generate_state_4")) << to_json(row);
  }
}

TEST(SeedSequence, AgreesWithOneNumberOfNumpys) {
  const std::array<std::uint64_t, 2> key{1, 1};
  EXPECT_EQ(seed_sequence(42, {}, 24, 1)[0], 387750627U);
  EXPECT_EQ(seed_sequence(42, key, 24, 4)[3], 2234354429U);
}

TEST(StepNoise, GivesTheRecordedNumbers) {
  int compared = 0;
  for (const auto& file : recorded_cases("noise")) {
    if (!file.stem().string().starts_with("samplers_seed_")) continue;
    const auto recorded = golden::Case::load(file);
    const Tensor x = at::zeros({2, 4, 8, 8});
    StepNoise independent = independent_noise(x, seed_of(recorded));
    const std::array<double, 2> range{static_cast<float>(14.614642), static_cast<float>(0.0291675)};
    StepNoise brownian = brownian_noise(x, range, seed_of(recorded));
    for (int i = 0; recorded.has("expected.default." + std::to_string(i)); ++i) {
      const auto c = golden::compare(recorded["expected.default." + std::to_string(i)],
                                     independent(2, 1), 1e-6);
      EXPECT_TRUE(c.agrees) << file << " default " << i << c.message;
    }
    const auto& queries = recorded.info().at("brownian_queries").as_array();
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto time = [&](std::size_t k) {
        return double{static_cast<float>(queries[i].as_array()[k].as_double())};
      };
      const auto c = golden::compare(recorded["expected.brownian_cpu1." + std::to_string(i)],
                                     brownian(time(0), time(1)), 2e-6);
      EXPECT_TRUE(c.agrees) << file << " brownian " << i << ": " << c.message;
      ++compared;
    }
  }
  if (compared == 0) GTEST_SKIP() << golden::kNoRecordedData;
}

TEST(BrownianPath, AddsUpWhateverIsAskedFirst) {
  BrownianPath forwards{0.0, 10.0, {1, 4}, 7};
  const Tensor low = forwards.increment(0.0, 3.3);
  const Tensor high = forwards.increment(3.3, 10.0);
  BrownianPath backwards{0.0, 10.0, {1, 4}, 7};
  EXPECT_TRUE(at::allclose(backwards.increment(3.3, 10.0), high, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(backwards.increment(0.0, 3.3), low, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(backwards.increment(0.0, 10.0), low + high, 1e-5, 1e-5));
  EXPECT_TRUE(at::equal(backwards.increment(5.0, 5.0), at::zeros({1, 4})));
}

}  // namespace
}  // namespace comfy::sampling
