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
  places_[job.prompt_id] = {job.job_class, job.owner, job.needs, place};
  ++sizes_[job.owner];
  classes_[job.job_class][job.owner][job.needs].insert_or_assign(place, std::move(job));
}

std::optional<QueuedJob> Lanes::remove(const std::string& prompt_id) {
  const auto found = places_.find(prompt_id);
  if (found == places_.end()) return {};
  const Where where = std::move(found->second);
  places_.erase(found);
  auto& users = classes_[where.job_class];
  const auto user = users.find(where.owner);
  const auto lane = user->second.find(where.needs);
  auto job = lane->second.extract(where.place);
  if (lane->second.empty()) user->second.erase(lane);
  if (user->second.empty()) users.erase(user);
  if (--sizes_[where.owner] == 0) sizes_.erase(where.owner);
  return std::move(job.mapped());
}

const Lanes::Lane* Lanes::first_lane(const User& user,
                                     const std::function<bool(const NeedsPtr&)>& may) {
  const Lane* first = nullptr;
  for (const auto& [needs, lane] : user)
    if ((first == nullptr || lane.begin()->first < first->begin()->first) && may(needs))
      first = &lane;
  return first;
}

std::optional<QueuedJob> Lanes::next(Clock::Monotonic now, const Passes& passes) {
  for (auto& [job_class, users] : classes_) {
    const auto may = [&, one = job_class](const NeedsPtr& needs) {
      return !passes || passes(one, needs);
    };
    const Lane* best = nullptr;
    std::pair<double, std::uint64_t> least{};
    for (const auto& [owner, user] : users) {
      const auto known = usage_.find(owner);
      const std::pair<double, std::uint64_t> use{usage_of(owner, now),
                                                 known == usage_.end() ? 0 : known->second.served};
      if (best != nullptr && use >= least) continue;
      const Lane* lane = first_lane(user, may);
      if (lane == nullptr) continue;
      best = lane;
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

std::optional<NeedsPtr> Lanes::needs_of(const std::string& prompt_id) const {
  const auto found = places_.find(prompt_id);
  if (found == places_.end()) return {};
  return found->second.needs;
}

std::map<NeedsPtr, std::size_t> Lanes::needs() const {
  std::map<NeedsPtr, std::size_t> counts;
  for (const auto& [job_class, users] : classes_)
    for (const auto& [owner, user] : users)
      for (const auto& [needs, lane] : user) counts[needs] += lane.size();
  return counts;
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
