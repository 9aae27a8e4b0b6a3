// Maps from the unit square to directions, each with its density beside it.
#pragma once

#include <cstdint>

#include "core/vector.h"

namespace rnd {

// (cos, sin) of `turns` full turns, 0 <= turns < 1, within two units in the last place. The same on host and device,
// and several times faster than the library's, which has to care for any angle.
RND_HD Vec2 circle_point(float turns) {
    const float quarter = std::floor(4.0f * turns + 0.5f);
    const float x = (turns - 0.25f * quarter) * (2.0f * kPi);  // within [-pi/4, pi/4]
    const float x2 = x * x;
    // Taylor series, whose next terms lie below single precision there.
    const float sine = x + x * x2 * (-1.0f / 6 + x2 * (1.0f / 120 + x2 * (-1.0f / 5040 + x2 * (1.0f / 362880))));
    const float cosine = 1.0f + x2 * (-1.0f / 2 + x2 * (1.0f / 24 + x2 * (-1.0f / 720 + x2 * (1.0f / 40320))));
    const int32_t quadrant = static_cast<int32_t>(quarter) & 3;
    const bool swapped = (quadrant & 1) != 0;
    const float c = swapped ? sine : cosine;
    const float s = swapped ? cosine : sine;
    return {quadrant == 1 || quadrant == 2 ? -c : c, quadrant >= 2 ? -s : s};
}

// Malley's method: uniform on the disk, lifted to the hemisphere.
RND_HD Vec3 sample_cosine_hemisphere(const Vec2& u) {
    const float radius = std::sqrt(u.x);
    const Vec2 d = circle_point(u.y);
    return {radius * d.x, radius * d.y, std::sqrt(1.0f - u.x)};
}

RND_HD float cosine_hemisphere_pdf(const Vec3& w) {
    return w.z > 0.0f ? w.z * kInvPi : 0.0f;
}

RND_HD Vec3 sample_uniform_sphere(const Vec2& u) {
    const float z = 1.0f - 2.0f * u.x;
    const float r = 2.0f * std::sqrt(u.x * (1.0f - u.x));
    const Vec2 d = circle_point(u.y);
    return {r * d.x, r * d.y, z};
}

inline constexpr float kUniformSpherePdf = 0.25f * kInvPi;

}  // namespace rnd
