#include "embree/direct_shapes.h"

namespace rnd::embree {

void DirectShapes::add_grid(const RectangleShape& rectangle, int32_t object) {
    const Vec3& u = rectangle.edge_u;
    const Vec3& v = rectangle.edge_v;
    const Vec3 area = cross(u, v);
    // dot(along_u, a u + b v) = a, also where the edges are not perpendicular.
    const float area2 = length_squared(area);
    grids_.push_back({normalize(area), rectangle.center, cross(v, area) / area2, cross(area, u) / area2, object});
}

void DirectShapes::add_sphere(const SphereShape& sphere, int32_t object) {
    spheres_.push_back({sphere, object});
}

}  // namespace rnd::embree
