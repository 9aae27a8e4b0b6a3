#include "embree/small_meshes.h"

#include <algorithm>

namespace rnd::embree {

namespace {

struct Corners {
    Vec3 a, b, c;
};

Corners corners_of(const Mesh& mesh, const Affine& to_world, uint32_t triangle) {
    const auto corner = [&](uint32_t i) {
        return to_world.point(mesh.positions()[mesh.triangles()[3 * static_cast<size_t>(triangle) + i]]);
    };
    return {corner(0), corner(1), corner(2)};
}

template <class Row>
void set(Vector3<Lanes>& lanes, Row lane, const Vec3& value) {
    lanes.x[lane] = value.x;
    lanes.y[lane] = value.y;
    lanes.z[lane] = value.z;
}

}  // namespace

bool SmallMeshes::can_take(const Mesh& mesh, const Affine& to_world) {
    if (!mesh.is_small() || mesh.triangle_count() == 0) return false;
    Box box = empty_box();
    for (const uint32_t vertex : mesh.triangles()) extend(box, to_world.point(mesh.positions()[vertex]));
    const float extent = max_component(box.upper - box.lower);
    const float farthest = maximum(max_abs_component(box.lower), max_abs_component(box.upper));
    return extent >= 1e-6f && farthest <= 1e6f;
}

void SmallMeshes::add(const Mesh& mesh, const Affine& to_world, int32_t object) {
    Placed placed{empty_box(), object, static_cast<uint32_t>(blocks_.size()), 0, static_cast<uint32_t>(boxes_.size())};
    const std::span<const uint32_t> order = mesh.compact_order();
    for (size_t first = 0; first < order.size(); first += kLaneCount) {
        Block block{};
        Box around = empty_box();
        const size_t count = std::min<size_t>(kLaneCount, order.size() - first);
        for (size_t lane = 0; lane < count; ++lane) {
            const Corners corners = corners_of(mesh, to_world, order[first + lane]);
            for (const Vec3& corner : {corners.a, corners.b, corners.c}) extend(around, corner);
            const Vec3 u = corners.b - corners.a;
            const Vec3 v = corners.c - corners.a;
            const Vec3 area = cross(u, v);
            const float area2 = length_squared(area);
            const Vec3 along_u = cross(v, area) / area2;
            const Vec3 along_v = cross(area, u) / area2;
            set(block.corner, lane, corners.a);
            set(block.normal, lane, normalize(area));
            set(block.along_u, lane, along_u);
            set(block.along_v, lane, along_v);
            // Some units in the last place of the distance, as weights: over the triangle's heights.
            block.margin[lane] = 0x1p-21f * (length(along_u) + length(along_v));
            block.primitive[lane] = static_cast<int32_t>(order[first + lane]);
        }
        const size_t lane = placed.block_count % kLaneCount;
        if (lane == 0) boxes_.push_back(BoxOf<Lanes>{});
        const Box larger = with_margin(around);
        set(boxes_.back().lower, lane, larger.lower);
        set(boxes_.back().upper, lane, larger.upper);
        extend(placed.box, around.lower);
        extend(placed.box, around.upper);
        blocks_.push_back(block);
        ++placed.block_count;
    }
    placed.box = with_margin(placed.box);
    meshes_.push_back(placed);
}

}  // namespace rnd::embree
