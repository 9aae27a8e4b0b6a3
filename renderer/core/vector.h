// Small vectors and the few operations on them that the core needs.
#pragma once

#include "core/number.h"

namespace rnd {

inline constexpr float kPi = 3.14159265358979323846f;
inline constexpr float kInvPi = 0.31830988618379067154f;

template <class F>
struct Vector2 {
    F x{};
    F y{};
};

template <class F>
struct Vector3 {
    F x{};
    F y{};
    F z{};
};

using Vec2 = Vector2<float>;
using Vec3 = Vector3<float>;

template <class F>
RND_HD Vector3<F> operator+(const Vector3<F>& a, const Vector3<F>& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
template <class F>
RND_HD Vector3<F> operator-(const Vector3<F>& a, const Vector3<F>& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
template <class F>
RND_HD Vector3<F> operator*(const Vector3<F>& a, const Vector3<F>& b) {
    return {a.x * b.x, a.y * b.y, a.z * b.z};
}
// `S` is F or float.
template <class F, class S>
RND_HD Vector3<F> operator*(const Vector3<F>& a, const S& s) {
    return {a.x * s, a.y * s, a.z * s};
}
template <class F, class S>
RND_HD Vector3<F> operator*(const S& s, const Vector3<F>& a) {
    return a * s;
}
template <class F, class S>
RND_HD Vector3<F> operator/(const Vector3<F>& a, const S& s) {
    return a * (1.0f / s);
}
template <class F>
RND_HD Vector3<F> operator-(const Vector3<F>& a) {
    return {-a.x, -a.y, -a.z};
}
template <class F>
RND_HD Vector3<F>& operator+=(Vector3<F>& a, const Vector3<F>& b) {
    return a = a + b;
}
template <class F>
RND_HD Vector3<F>& operator*=(Vector3<F>& a, const Vector3<F>& b) {
    return a = a * b;
}
template <class F, class S>
RND_HD Vector3<F>& operator*=(Vector3<F>& a, const S& s) {
    return a = a * s;
}

template <class F>
RND_HD Vector3<F> spread(const Vec3& a) {
    return {spread<F>(a.x), spread<F>(a.y), spread<F>(a.z)};
}
template <class M, class F>
RND_HD Vector2<F> select(const M& mask, const Vector2<F>& a, const Vector2<F>& b) {
    return {select(mask, a.x, b.x), select(mask, a.y, b.y)};
}
template <class M, class F>
RND_HD Vector3<F> select(const M& mask, const Vector3<F>& a, const Vector3<F>& b) {
    return {select(mask, a.x, b.x), select(mask, a.y, b.y), select(mask, a.z, b.z)};
}

template <class F>
RND_HD F dot(const Vector3<F>& a, const Vector3<F>& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
template <class F>
RND_HD Vector3<F> cross(const Vector3<F>& a, const Vector3<F>& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
template <class F>
RND_HD F length_squared(const Vector3<F>& a) {
    return dot(a, a);
}
template <class F>
RND_HD F length(const Vector3<F>& a) {
    return square_root(dot(a, a));
}
template <class F>
RND_HD F max_component(const Vector3<F>& a) {
    return maximum(a.x, maximum(a.y, a.z));
}
template <class F>
RND_HD F max_abs_component(const Vector3<F>& a) {
    return maximum(absolute(a.x), maximum(absolute(a.y), absolute(a.z)));
}
template <class F>
RND_HD MaskOf<F> is_black(const Vector3<F>& a) {
    return (a.x == 0.0f) & (a.y == 0.0f) & (a.z == 0.0f);
}
template <class F>
RND_HD MaskOf<F> is_finite(const Vector3<F>& a) {
    return is_finite(a.x) & is_finite(a.y) & is_finite(a.z);
}

template <class F>
RND_HD Vector3<F> normalize(const Vector3<F>& a) {
    return a * (1.0f / length(a));
}

// A unit vector along `a`, or `fallback` where `a` has no direction (zero, or so small that its square vanishes).
template <class F>
RND_HD Vector3<F> normalize_or(const Vector3<F>& a, const Vector3<F>& fallback) {
    const F scale = max_abs_component(a);
    const MaskOf<F> has_direction = (scale > 0.0f) & is_finite(scale);
    return select(has_direction, normalize(a / scale), fallback);
}

// `direction` mirrored at the plane with unit `normal`; both point away from the surface.
template <class F>
RND_HD Vector3<F> reflect(const Vector3<F>& direction, const Vector3<F>& normal) {
    return normal * (2.0f * dot(direction, normal)) - direction;
}

// Vectors that are written and read one lane at a time.
template <class F>
struct VectorArray {
    LaneArray<F> x;
    LaneArray<F> y;
    LaneArray<F> z;

    RND_HD void set(int lane, const Vec3& v) {
        x.at[lane] = v.x;
        y.at[lane] = v.y;
        z.at[lane] = v.z;
    }
    RND_HD Vec3 get(int lane) const { return {x.at[lane], y.at[lane], z.at[lane]}; }
    RND_HD Vector3<F> load() const { return {x.load(), y.load(), z.load()}; }
};

template <class F>
RND_HD VectorArray<F> lanes_of(const Vector3<F>& v) {
    return {lanes_of(v.x), lanes_of(v.y), lanes_of(v.z)};
}

}  // namespace rnd
