// A pinhole camera with square images.
#pragma once

#include "core/scene_data.h"

namespace rnd {

struct Camera {
    Vec3 position;
    Vec3 side;  // to the right
    Vec3 up;
    Vec3 backward;         // the camera looks along its own -z
    float tangent = 1.0f;  // of half the field of view
    float near = 0.0f;     // distances of the clipping planes
    float far = 0.0f;
};

// A ray through the image at (x, y) in [0, 1]^2, y downwards.
template <class F>
RND_HD RayOf<F> camera_ray(const Camera& camera, const F& x, const F& y) {
    const F right = (2.0f * x - 1.0f) * camera.tangent;
    const F above = (1.0f - 2.0f * y) * camera.tangent;
    const Vector3<F> through =
        spread<F>(camera.side) * right + spread<F>(camera.up) * above - spread<F>(camera.backward);
    const F stretch = length(through);
    return {spread<F>(camera.position), camera.near * stretch, through / stretch, camera.far * stretch};
}

}  // namespace rnd
