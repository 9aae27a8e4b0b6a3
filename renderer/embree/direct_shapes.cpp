#include "embree/direct_shapes.h"

#include <cmath>

namespace rnd::embree {

namespace {

// The vector's only component that is not 0; -1 if there is not just one.
int only_axis(const Vec3& v) {
    if (v.y == 0.0f && v.z == 0.0f) return v.x == 0.0f ? -1 : 0;
    if (v.x != 0.0f) return -1;
    if (v.z == 0.0f) return 1;
    return v.y == 0.0f ? 2 : -1;
}

float component(const Vec3& v, int axis) {
    return axis == 0 ? v.x : axis == 1 ? v.y : v.z;
}

}  // namespace

void DirectShapes::add_grid(const Object& grid, int32_t number) {
    const auto& [center, u, v] = grid.rectangle;
    const int u_axis = only_axis(u);
    const int v_axis = only_axis(v);
    if (u_axis < 0 || v_axis < 0 || u_axis == v_axis) {
        grids_.push_back({grid.normal, center, grid.along_u, grid.along_v, number});
        return;
    }
    const int axis = 3 - u_axis - v_axis;
    const int first = (axis + 1) % 3;
    const int second = (axis + 2) % 3;
    const auto reach = [&](int along) { return kReach * std::fabs(component(u_axis == along ? u : v, along)); };
    aligned_grids_[static_cast<size_t>(axis)].push_back({component(center, axis), component(center, first),
                                                         component(center, second), reach(first), reach(second),
                                                         number});
}

void DirectShapes::add_sphere(const SphereShape& sphere, int32_t object) {
    spheres_.push_back({sphere, object});
}

}  // namespace rnd::embree
