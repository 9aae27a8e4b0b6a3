// Maps from the unit square to directions, each with its density beside it.
#pragma once

#include "core/vector.h"

namespace rnd {

// A point uniform on the unit disk: the square of its distance from the center, and the direction from there.
struct DiskPoint {
    float radius2 = 0.0f;
    Vec2 direction;
};

// The unit square onto the disk, squares around the middle onto circles (Shirley and Chiu, "A Low Distortion Map
// Between Disk and Square", JGT 2(3), 1997): neighbors stay neighbors, so that stratified points stay stratified.
RND_HD DiskPoint concentric_disk(const Vec2& u) {
    const float a = 2.0f * u.x - 1.0f;
    const float b = 2.0f * u.y - 1.0f;
    const bool flat = std::fabs(a) > std::fabs(b);
    const float radius = flat ? a : b;
    const float ratio = radius != 0.0f ? (flat ? b : a) / radius : 0.0f;
    const float x = ratio * (0.25f * kPi);
    const float x2 = x * x;
    // Taylor series, whose next terms lie below single precision there. The same on host and device, and several times
    // faster than the library's functions, which have to care for any angle.
    const float sine = x + x * x2 * (-1.0f / 6 + x2 * (1.0f / 120 + x2 * (-1.0f / 5040 + x2 * (1.0f / 362880))));
    const float cosine = 1.0f + x2 * (-1.0f / 2 + x2 * (1.0f / 24 + x2 * (-1.0f / 720 + x2 * (1.0f / 40320))));
    const float sign = radius < 0.0f ? -1.0f : 1.0f;
    return {radius * radius, {sign * (flat ? cosine : sine), sign * (flat ? sine : cosine)}};
}

// Malley's method: uniform on the disk, lifted to the hemisphere.
RND_HD Vec3 sample_cosine_hemisphere(const Vec2& u) {
    const DiskPoint disk = concentric_disk(u);
    const float radius = std::sqrt(disk.radius2);
    return {radius * disk.direction.x, radius * disk.direction.y, std::sqrt(1.0f - disk.radius2)};
}

RND_HD float cosine_hemisphere_pdf(const Vec3& w) {
    return w.z > 0.0f ? w.z * kInvPi : 0.0f;
}

RND_HD Vec3 sample_uniform_sphere(const Vec2& u) {
    const DiskPoint disk = concentric_disk(u);
    const float z = 1.0f - 2.0f * disk.radius2;
    const float r = 2.0f * std::sqrt(disk.radius2 * (1.0f - disk.radius2));
    return {r * disk.direction.x, r * disk.direction.y, z};
}

inline constexpr float kUniformSpherePdf = 0.25f * kInvPi;

}  // namespace rnd
