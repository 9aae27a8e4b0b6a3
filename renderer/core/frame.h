// Orthonormal frames and affine maps.
#pragma once

#include "core/vector.h"

namespace rnd {

// A right-handed orthonormal basis around a unit normal, which is its z axis.
// Duff et al., "Building an Orthonormal Basis, Revisited", JCGT 6(1), 2017.
template <class F>
struct Frame {
    Vector3<F> s;
    Vector3<F> t;
    Vector3<F> n;

    RND_HD Vector3<F> to_local(const Vector3<F>& v) const { return {dot(v, s), dot(v, t), dot(v, n)}; }
    RND_HD Vector3<F> to_world(const Vector3<F>& v) const { return s * v.x + t * v.y + n * v.z; }
};

template <class F>
RND_HD Frame<F> make_frame(const Vector3<F>& n) {
    const F sign = sign_of(n.z);
    const F a = -1.0f / (sign + n.z);
    const F b = n.x * n.y * a;
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
        const float sign = sign_of(determinant());
        return {cross(y, z) * sign, cross(z, x) * sign, cross(x, y) * sign, {}};
    }
    RND_HD float determinant() const { return dot(x, cross(y, z)); }
};

}  // namespace rnd
