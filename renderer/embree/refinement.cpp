#include "embree/refinement.h"

#include <limits>

namespace rnd::embree {

Refinement::Refinement(const ViewSettings& view, const Adaptivity& adaptivity)
    : adaptivity_(adaptivity),
      pass_{0, view.samples / 2, view.samples},
      sums_(static_cast<size_t>(view.size) * view.size),
      rows_(view.size),
      rows_left_(view.size) {}

bool Refinement::finish_row(uint32_t y, const ErrorSums& row) {
    rows_[y] = row;
    return rows_left_.fetch_sub(1) == 1;
}

bool Refinement::advance() {
    // Row by row, in order: sums of floating-point numbers depend on it.
    ErrorSums all;
    for (const ErrorSums& row : rows_) all.add(row);
    // A single sample says nothing about its error.
    error_ =
        pass_.end < 2 ? std::numeric_limits<double>::infinity() : all.relative_error(static_cast<double>(sums_.size()));
    if (error_ <= adaptivity_.target_error || pass_.end >= adaptivity_.max_samples) return false;
    const uint32_t limit = adaptivity_.max_samples;
    // Twice as many samples, so that those before the middle are all those before this pass.
    pass_ = {pass_.end, pass_.end, pass_.end > limit / 2 ? limit : 2 * pass_.end};
    rows_left_ = static_cast<uint32_t>(rows_.size());
    return true;
}

}  // namespace rnd::embree
