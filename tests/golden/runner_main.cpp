// SPDX-License-Identifier: GPL-3.0-or-later
//
// golden_runner [--delivered] [--verbose] FOLDER [AREA ...]
//
// Runs every recorded case of FOLDER/<area>/ through the product's own code and prints, for each
// area, how many agree, the largest relative difference, and the names of those that do not. What
// this build does not offer yet is counted apart. Exit status 0 only when every case passed; with
// --delivered when no case failed.
#include "foundation/base/error.h"
#include "foundation/base/log.h"
#include "golden/area.h"
#include "inference/tensor/ops.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace {

namespace fs = std::filesystem;
using comfy::golden::Area;
using comfy::golden::Outcome;
using comfy::golden::Verdict;

struct Totals {
  int passed = 0, failed = 0, not_yet = 0;
};

struct Arguments {
  bool delivered = false, verbose = false;
  fs::path folder;
  std::set<std::string> areas;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    if (text == "--delivered")
      arguments.delivered = true;
    else if (text == "--verbose")
      arguments.verbose = true;
    else if (arguments.folder.empty())
      arguments.folder = text;
    else
      arguments.areas.insert(text);
  }
  return arguments;
}

std::optional<Outcome> run_guarded(const Area& area, const fs::path& file) {
  try {
    return area.run(file);
  } catch (const comfy::Error& error) {
    if (error.kind == comfy::Error::Kind::unsupported) return Outcome::not_yet(error.message);
    return Outcome::failed(error.message);
  } catch (const std::exception& error) {
    return Outcome::failed(error.what());
  }
}

/// The files of an area; those named as weights only where an area says that they are cases.
std::vector<fs::path> cases_of(const fs::path& folder, const Area* area) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator{folder})
    if (entry.is_regular_file() && ((area != nullptr && area->weights_are_cases) ||
                                    !entry.path().filename().string().starts_with("weights_")))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

const Area* find_area(const std::string& name) {
  for (const Area& area : comfy::golden::areas())
    if (area.name == name) return &area;
  return nullptr;
}

Totals run_area(const fs::path& folder, const Arguments& arguments) {
  Totals totals;
  double worst = 0;
  std::string details;
  const Area* area = find_area(folder.filename());
  for (const fs::path& file : cases_of(folder, area)) {
    const std::optional<Outcome> outcome =
        area == nullptr ? Outcome::not_yet("area") : run_guarded(*area, file);
    if (!outcome) continue;
    worst = std::max(worst, outcome->worst);
    totals.passed += outcome->verdict == Verdict::passed;
    totals.failed += outcome->verdict == Verdict::failed;
    totals.not_yet += outcome->verdict == Verdict::not_yet;
    if (outcome->verdict == Verdict::failed)
      details += fmt::format("  FAILED {}: {}\n", file.stem().string(), outcome->message);
    if (arguments.verbose && outcome->verdict == Verdict::passed)
      details += fmt::format("  passed {}: {:.2g}\n", file.stem().string(), outcome->worst);
    if (arguments.verbose && outcome->verdict == Verdict::not_yet)
      details += fmt::format("  not yet {}: {}\n", file.stem().string(), outcome->message);
  }
  fmt::print("{}: {}/{}", folder.filename().string(), totals.passed,
             totals.passed + totals.failed + totals.not_yet);
  if (totals.not_yet > 0) fmt::print(", {} not yet", totals.not_yet);
  fmt::print(", worst relative difference {:.2g}\n{}", worst, details);
  std::fflush(stdout);
  return totals;
}

}  // namespace

int main(int argc, char** argv) {
  const c10::InferenceMode no_gradients;
  const Arguments arguments = parse(argc, argv);
  // Cases with LoRAs of other models warn once a tensor.
  if (!arguments.verbose) comfy::set_log_level(comfy::LogLevel::error);
  if (!fs::is_directory(arguments.folder)) {
    fmt::print(stderr, "expected a folder of recorded cases, found none at \"{}\"\n",
               arguments.folder.string());
    return 2;
  }
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator{arguments.folder})
    if (entry.is_directory() &&
        (arguments.areas.empty() || arguments.areas.contains(entry.path().filename())))
      folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  Totals sum;
  for (const fs::path& folder : folders) {
    const Totals totals = run_area(folder, arguments);
    sum.passed += totals.passed, sum.failed += totals.failed, sum.not_yet += totals.not_yet;
  }
  fmt::print("golden: {} passed, {} failed, {} not yet\n", sum.passed, sum.failed, sum.not_yet);
  return sum.failed > 0 || (sum.not_yet > 0 && !arguments.delivered) ? 1 : 0;
}
