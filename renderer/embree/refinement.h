// Renders one view pass by pass until its estimated error is small enough. How many samples a pixel it takes follows
// from the view alone: not from other views, nor from the number or the order of threads.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "core/convergence.h"
#include "core/integrator.h"

namespace rnd::embree {

// When to stop, and what came of it.
struct Adaptivity {
    double target_error = 0.0;  // relative standard error; 0: take ViewSettings::samples, whatever the error
    uint32_t max_samples = 0;   // a pixel
};

// Samples [first, end) of every pixel. Those before `middle` are compared with the others.
struct Pass {
    uint32_t first = 0;
    uint32_t middle = 0;
    uint32_t end = 0;
};

class Refinement {
  public:
    Refinement(const ViewSettings& view, const Adaptivity& adaptivity);

    const Pass& pass() const { return pass_; }
    std::span<PixelSums> row(uint32_t y) { return std::span(sums_).subspan(y * rows_.size(), rows_.size()); }
    const std::vector<PixelSums>& sums() const { return sums_; }
    double error() const { return error_; }

    // Notes what the pixels of row `y` add up to in this pass. Returns true for the last row. Rows may come from
    // several threads.
    bool finish_row(uint32_t y, const ErrorSums& row);
    // After the last row: judges the view. Returns whether there is another pass.
    bool advance();

  private:
    Adaptivity adaptivity_;
    Pass pass_;
    std::vector<PixelSums> sums_;
    std::vector<ErrorSums> rows_;
    std::atomic<uint32_t> rows_left_;
    double error_ = 0.0;
};

}  // namespace rnd::embree
