// How far the mean of a view's samples may still be from the truth, estimated from these samples themselves.
//
// The samples of one pixel are points of one scrambled Sobol sequence and so not independent: their variance tells
// nothing exact about that of their mean. Two halves of a pixel's samples are (nearly) such sequences of half the
// length. If their means differ by d, the mean of both has the variance E[d^2] / 4, were the halves independent. They
// are not quite: halves of one sequence fill each other's gaps, so their errors tend to have opposite signs, and what
// is estimated is an upper bound. One pixel's d says little; all pixels together say enough.
#pragma once

#include "core/buffers.h"

namespace rnd {

// Luminance of `count` samples together.
struct LuminanceSum {
    double sum = 0.0;
    uint32_t count = 0;

    RND_HD double mean() const { return count > 0 ? sum / static_cast<double>(count) : 0.0; }
};

RND_HD LuminanceSum luminance_of(const PixelSums& sums) {
    return {sums.luminance_sum(), sums.valid()};
}

// The variance of the mean of `all` samples of a pixel, judged by the difference between the `first` of them and the
// rest. Samples of variance s^2 make it s^2 / n for any division. Nothing is known (0) where one part is empty.
RND_HD double variance_of_mean(const LuminanceSum& first, const LuminanceSum& all) {
    const LuminanceSum rest{all.sum - first.sum, all.count - first.count};
    if (first.count == 0 || rest.count == 0) return 0.0;
    const double difference = first.mean() - rest.mean();
    const double share = static_cast<double>(first.count) / static_cast<double>(all.count);
    return difference * difference * share * (1.0 - share);
}

// What some pixels of a view add up to.
struct ErrorSums {
    double variance = 0.0;  // of the means of the pixels
    double luminance = 0.0;

    RND_HD void add(const LuminanceSum& first, const LuminanceSum& all) {
        variance += variance_of_mean(first, all);
        luminance += all.mean();
    }
    RND_HD void add(const ErrorSums& other) {
        variance += other.variance;
        luminance += other.luminance;
    }
    // The relative standard error of a view of so many pixels: sqrt(mean of the variances) / mean luminance. A black
    // view has none.
    RND_HD double relative_error(double pixels) const {
        return luminance > 0.0 ? std::sqrt(variance * pixels) / luminance : 0.0;
    }
};

}  // namespace rnd
