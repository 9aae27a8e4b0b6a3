// Half floats (IEEE 754 binary16) as bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace rnd::embree {

inline constexpr float kLargestHalf = 65504.0f;

// The nearest half, of two equally near ones the even one. What halves cannot hold becomes the largest, and NaN 0.
inline uint16_t to_half(float x) {
    if (x != x) return 0;
    const uint32_t sign = std::bit_cast<uint32_t>(x) >> 16 & 0x8000u;
    const float unclamped = std::fabs(x);
    const float magnitude = unclamped < kLargestHalf ? unclamped : kLargestHalf;
    // Below the normal halves are multiples of the smallest one.
    if (magnitude < 0x1p-14f)
        return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::lrint(magnitude * 0x1p24f)));
    const uint32_t bits = std::bit_cast<uint32_t>(magnitude);
    const uint32_t rounded = bits + 0xfffu + (bits >> 13 & 1u);
    return static_cast<uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

}  // namespace rnd::embree
