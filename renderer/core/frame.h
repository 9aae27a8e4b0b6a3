// Orthonormal frames and affine maps.
#pragma once

#include "core/vector.h"

namespace rnd {

// A right-handed orthonormal basis around a unit normal, which is its z axis.
// Duff et al., "Building an Orthonormal Basis, Revisited", JCGT 6(1), 2017.
struct Frame {
    Vec3 s;
    Vec3 t;
    Vec3 n;

    RND_HD Vec3 to_local(const Vec3& v) const { return {dot(v, s), dot(v, t), dot(v, n)}; }
    RND_HD Vec3 to_world(const Vec3& v) const { return s * v.x + t * v.y + n * v.z; }
};

RND_HD Frame make_frame(const Vec3& n) {
    const float sign = std::copysign(1.0f, n.z);
    const float a = -1.0f / (sign + n.z);
    const float b = n.x * n.y * a;
    return {{1.0f + sign * n.x * n.x * a, sign * b, -sign * n.x}, {b, sign + n.y * n.y * a, -n.y}, n};
}

// The affine map p -> p.x * x + p.y * y + p.z * z + offset: the rows of a row-vector matrix, p' = [p, 1] M.
struct Affine {
    Vec3 x{1.0f, 0.0f, 0.0f};
    Vec3 y{0.0f, 1.0f, 0.0f};
    Vec3 z{0.0f, 0.0f, 1.0f};
    Vec3 offset;

    RND_HD Vec3 vector(const Vec3& v) const { return x * v.x + y * v.y + z * v.z; }
    RND_HD Vec3 point(const Vec3& p) const { return vector(p) + offset; }
    // The inverse transpose up to a positive factor, from cofactors: these exist for every matrix.
    RND_HD Affine normal_map() const {
        const float sign = std::copysign(1.0f, determinant());
        return {cross(y, z) * sign, cross(z, x) * sign, cross(x, y) * sign, {}};
    }
    RND_HD float determinant() const { return dot(x, cross(y, z)); }
};

}  // namespace rnd
