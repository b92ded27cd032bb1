// SPDX-License-Identifier: GPL-3.0-or-later
#include "frontend/jobs/lanes.h"

#include <cmath>
#include <utility>

namespace comfy::jobs {
namespace {

constexpr double kHalfLife = 10.0 * 60 * 1000;  // milliseconds
// A user whose usage has faded to this is forgotten.
constexpr double kForgotten = 1;
constexpr std::size_t kManyUsers = 1000;
// Of the newest run in what is the usual length of one.
constexpr double kNewestShare = 0.2;

}  // namespace

void Lanes::add(QueuedJob job) {
  // It comes back without having run.
  if (job.prepaid > 0) usage_[job.owner].milliseconds -= std::exchange(job.prepaid, 0);
  const Place place{job.number, job.sequence};
  places_[job.prompt_id] = {job.job_class, {job.owner, place}};
  ++sizes_[job.owner];
  classes_[job.job_class][job.owner].insert_or_assign(place, std::move(job));
}

std::optional<QueuedJob> Lanes::remove(const std::string& prompt_id) {
  const auto found = places_.find(prompt_id);
  if (found == places_.end()) return {};
  const auto [job_class, where] = found->second;
  const auto& [owner, place] = where;
  auto& lanes = classes_[job_class];
  auto lane = lanes.find(owner);
  auto job = lane->second.extract(place);
  if (lane->second.empty()) lanes.erase(lane);
  if (--sizes_[owner] == 0) sizes_.erase(owner);
  places_.erase(found);
  return std::move(job.mapped());
}

std::optional<Class> Lanes::next_class() const {
  for (const auto& [job_class, lanes] : classes_)
    if (!lanes.empty()) return job_class;
  return {};
}

std::optional<QueuedJob> Lanes::next(Clock::Monotonic now) {
  for (auto& [job_class, lanes] : classes_) {
    const Lane* best = nullptr;
    std::pair<double, std::uint64_t> least{};
    for (const auto& [owner, lane] : lanes) {
      const auto known = usage_.find(owner);
      const std::pair<double, std::uint64_t> use{usage_of(owner, now),
                                                 known == usage_.end() ? 0 : known->second.served};
      if (best != nullptr && use >= least) continue;
      best = &lane;
      least = use;
    }
    if (best == nullptr) continue;
    std::optional<QueuedJob> job = remove(std::string{best->begin()->second.prompt_id});
    job->prepaid = usual_;
    add_usage(job->owner, usual_, now);
    usage_[job->owner].served = ++served_;
    return job;
  }
  return {};
}

void Lanes::charge(const QueuedJob& job, std::chrono::milliseconds ran, Clock::Monotonic now) {
  const auto milliseconds = static_cast<double>(ran.count());
  add_usage(job.owner, milliseconds - job.prepaid, now);
  usual_ = known_ ? usual_ + (milliseconds - usual_) * kNewestShare : milliseconds;
  known_ = true;
  if (usage_.size() > kManyUsers)
    std::erase_if(usage_, [&](const auto& entry) {
      return !sizes_.contains(entry.first) && usage_of(entry.first, now) < kForgotten;
    });
}

void Lanes::add_usage(const std::string& owner, double milliseconds, Clock::Monotonic now) {
  Usage& usage = usage_[owner];
  usage.milliseconds = usage_of(owner, now) + milliseconds;
  usage.at = now;
}

double Lanes::usage_of(const std::string& owner, Clock::Monotonic now) const {
  const auto found = usage_.find(owner);
  if (found == usage_.end()) return 0;
  const std::chrono::duration<double, std::milli> past = now - found->second.at;
  return found->second.milliseconds * std::exp2(-past.count() / kHalfLife);
}

std::size_t Lanes::size_of(const std::string& owner) const {
  const auto found = sizes_.find(owner);
  return found == sizes_.end() ? 0 : found->second;
}

}  // namespace comfy::jobs
