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
RND_HD Ray camera_ray(const Camera& camera, float x, float y) {
    const float right = (2.0f * x - 1.0f) * camera.tangent;
    const float above = (1.0f - 2.0f * y) * camera.tangent;
    const Vec3 through = camera.side * right + camera.up * above - camera.backward;
    const float stretch = length(through);
    return {camera.position, camera.near * stretch, through / stretch, camera.far * stretch};
}

}  // namespace rnd
