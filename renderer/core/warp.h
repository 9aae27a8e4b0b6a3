// Maps from the unit square to directions, each with its density beside it.
#pragma once

#include "core/vector.h"

namespace rnd {

// Concentric map to the unit disk (Shirley and Chiu 1997): keeps the strata of the square compact.
RND_HD Vec2 sample_disk(const Vec2& u) {
    const float x = 2.0f * u.x - 1.0f;
    const float y = 2.0f * u.y - 1.0f;
    if (x == 0.0f && y == 0.0f) return {};
    const bool wide = std::fabs(x) > std::fabs(y);
    const float radius = wide ? x : y;
    const float angle = wide ? 0.25f * kPi * (y / x) : 0.5f * kPi - 0.25f * kPi * (x / y);
    return {radius * std::cos(angle), radius * std::sin(angle)};
}

RND_HD Vec3 sample_cosine_hemisphere(const Vec2& u) {
    const Vec2 d = sample_disk(u);
    return {d.x, d.y, std::sqrt(maximum(0.0f, 1.0f - d.x * d.x - d.y * d.y))};
}

RND_HD float cosine_hemisphere_pdf(const Vec3& w) {
    return w.z > 0.0f ? w.z * kInvPi : 0.0f;
}

RND_HD Vec3 sample_uniform_sphere(const Vec2& u) {
    const float z = 1.0f - 2.0f * u.x;
    const float r = 2.0f * std::sqrt(u.x * (1.0f - u.x));
    const float phi = 2.0f * kPi * u.y;
    return {r * std::cos(phi), r * std::sin(phi), z};
}

inline constexpr float kUniformSpherePdf = 0.25f * kInvPi;

}  // namespace rnd
