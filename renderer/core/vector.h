// Small vectors and the few operations on them that the core needs.
#pragma once

#include <cmath>

#include "core/host_device.h"

namespace rnd {

inline constexpr float kPi = 3.14159265358979323846f;
inline constexpr float kInvPi = 0.31830988618379067154f;

struct Vec2 {
    float x = 0.0f;
    float y = 0.0f;
};

struct Vec3 {
    float x = 0.0f;
    float y = 0.0f;
    float z = 0.0f;
};

RND_HD Vec3 operator+(const Vec3& a, const Vec3& b) {
    return {a.x + b.x, a.y + b.y, a.z + b.z};
}
RND_HD Vec3 operator-(const Vec3& a, const Vec3& b) {
    return {a.x - b.x, a.y - b.y, a.z - b.z};
}
RND_HD Vec3 operator*(const Vec3& a, const Vec3& b) {
    return {a.x * b.x, a.y * b.y, a.z * b.z};
}
RND_HD Vec3 operator*(const Vec3& a, float s) {
    return {a.x * s, a.y * s, a.z * s};
}
RND_HD Vec3 operator*(float s, const Vec3& a) {
    return a * s;
}
RND_HD Vec3 operator/(const Vec3& a, float s) {
    return a * (1.0f / s);
}
RND_HD Vec3 operator-(const Vec3& a) {
    return {-a.x, -a.y, -a.z};
}
RND_HD Vec3& operator+=(Vec3& a, const Vec3& b) {
    return a = a + b;
}
RND_HD Vec3& operator*=(Vec3& a, const Vec3& b) {
    return a = a * b;
}
RND_HD Vec3& operator*=(Vec3& a, float s) {
    return a = a * s;
}

RND_HD float minimum(float a, float b) {
    return b < a ? b : a;
}
RND_HD float maximum(float a, float b) {
    return a < b ? b : a;
}
RND_HD float clamp(float value, float low, float high) {
    return minimum(maximum(value, low), high);
}
RND_HD float square(float a) {
    return a * a;
}

RND_HD float dot(const Vec3& a, const Vec3& b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
RND_HD Vec3 cross(const Vec3& a, const Vec3& b) {
    return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
RND_HD float length_squared(const Vec3& a) {
    return dot(a, a);
}
RND_HD float length(const Vec3& a) {
    return std::sqrt(dot(a, a));
}
RND_HD float max_component(const Vec3& a) {
    return maximum(a.x, maximum(a.y, a.z));
}
RND_HD float max_abs_component(const Vec3& a) {
    return maximum(std::fabs(a.x), maximum(std::fabs(a.y), std::fabs(a.z)));
}
RND_HD bool is_black(const Vec3& a) {
    return a.x == 0.0f && a.y == 0.0f && a.z == 0.0f;
}
RND_HD bool is_finite(const Vec3& a) {
    return std::isfinite(a.x) && std::isfinite(a.y) && std::isfinite(a.z);
}

RND_HD Vec3 normalize(const Vec3& a) {
    return a * (1.0f / length(a));
}

// A unit vector along `a`, or `fallback` where `a` has no direction (zero, or so small that its square vanishes).
RND_HD Vec3 normalize_or(const Vec3& a, const Vec3& fallback) {
    const float scale = max_abs_component(a);
    if (!(scale > 0.0f) || !std::isfinite(scale)) return fallback;
    return normalize(a / scale);
}

// `direction` mirrored at the plane with unit `normal`; both point away from the surface.
RND_HD Vec3 reflect(const Vec3& direction, const Vec3& normal) {
    return normal * (2.0f * dot(direction, normal)) - direction;
}

}  // namespace rnd
