// Maps from the unit square to directions, each with its density beside it.
#pragma once

#include "core/vector.h"

namespace rnd {

// A point uniform on the unit disk: the square of its distance from the center, and the direction from there.
template <class F>
struct DiskPoint {
    F radius2{};
    Vector2<F> direction;
};

// The unit square onto the disk, squares around the middle onto circles (Shirley and Chiu, "A Low Distortion Map
// Between Disk and Square", JGT 2(3), 1997): neighbors stay neighbors, so that stratified points stay stratified.
template <class F>
RND_HD DiskPoint<F> concentric_disk(const Vector2<F>& u) {
    const F a = 2.0f * u.x - 1.0f;
    const F b = 2.0f * u.y - 1.0f;
    const MaskOf<F> flat = absolute(a) > absolute(b);
    const F radius = select(flat, a, b);
    const F ratio = select(MaskOf<F>(radius != 0.0f), F(select(flat, b, a) / radius), F{});
    const F x = ratio * (0.25f * kPi);
    const F x2 = x * x;
    // Taylor series, whose next terms lie below single precision there. The same on host and device, and several times
    // faster than the library's functions, which have to care for any angle.
    const F sine = x + x * x2 * (-1.0f / 6 + x2 * (1.0f / 120 + x2 * (-1.0f / 5040 + x2 * (1.0f / 362880))));
    const F cosine = 1.0f + x2 * (-1.0f / 2 + x2 * (1.0f / 24 + x2 * (-1.0f / 720 + x2 * (1.0f / 40320))));
    const F sign = sign_of(radius);
    return {radius * radius, {sign * select(flat, cosine, sine), sign * select(flat, sine, cosine)}};
}

// Malley's method: uniform on the disk, lifted to the hemisphere.
template <class F>
RND_HD Vector3<F> sample_cosine_hemisphere(const Vector2<F>& u) {
    const DiskPoint<F> disk = concentric_disk(u);
    const F radius = square_root(disk.radius2);
    return {radius * disk.direction.x, radius * disk.direction.y, square_root(F(1.0f - disk.radius2))};
}

template <class F>
RND_HD F cosine_hemisphere_pdf(const Vector3<F>& w) {
    return select(MaskOf<F>(w.z > 0.0f), F(w.z * kInvPi), F{});
}

template <class F>
RND_HD Vector3<F> sample_uniform_sphere(const Vector2<F>& u) {
    const DiskPoint<F> disk = concentric_disk(u);
    const F z = 1.0f - 2.0f * disk.radius2;
    const F r = 2.0f * square_root(F(disk.radius2 * (1.0f - disk.radius2)));
    return {r * disk.direction.x, r * disk.direction.y, z};
}

inline constexpr float kUniformSpherePdf = 0.25f * kInvPi;

}  // namespace rnd
