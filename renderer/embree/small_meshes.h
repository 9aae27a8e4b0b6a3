// Meshes of few triangles. Of the rays of all lanes few come near such a mesh; each of these is tested against as many
// triangles at a time as there are lanes. Views of rooms take a tenth less time than with a search through an
// acceleration structure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "embree/box.h"
#include "embree/mesh.h"

namespace rnd::embree {

class SmallMeshes {
  public:
    // Whether this mesh, placed like this, is small, and neither so large nor so tiny that testing it directly
    // overflows or loses all digits.
    static bool can_take(const Mesh& mesh, const Affine& to_world);

    // A mesh that can be taken, whose object has this number. Throws std::bad_alloc.
    void add(const Mesh& mesh, const Affine& to_world, int32_t object);

    bool empty() const { return meshes_.empty(); }

    // Writes the nearest hit of each ray of `mask` to `hits` and its distance to the ray's t_max. Returns which rays
    // hit something. `inverse` is 1 / direction.
    IntLanes intersect(const IntLanes& mask, RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                       HitOf<Lanes>& hits) const;
    // Which rays of `mask` hit something.
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const;

  private:
    // Triangles, one in each lane. Weights of the second and third corner are dot(along_u, p - corner) and
    // dot(along_v, p - corner).
    struct Block {
        Vector3<Lanes> corner;
        Vector3<Lanes> normal;
        Vector3<Lanes> along_u;
        Vector3<Lanes> along_v;
        Lanes margin;  // of the weights, for each unit of distance over cosine
        IntLanes primitive;
    };
    struct Placed {
        Box box;
        int32_t object;
        uint32_t first_block;
        uint32_t block_count;
        uint32_t first_boxes;  // of the boxes around the blocks
    };
    struct BlockHit {
        IntLanes met;
        Lanes t, u, v;
    };
    // What one ray hits.
    struct Nearest {
        float t;
        float u;
        float v;
        int32_t primitive;
    };

    static BlockHit meet(const Block& block, const RayOf<Lanes>& ray, const Lanes& t_max);
    // Calls `body(block)` for each block of a mesh that a ray, the same in all lanes, comes near, until it returns
    // true.
    template <class Body>
    void for_blocks(const Placed& placed, const RayOf<Lanes>& ray, const Vector3<Lanes>& inverse, Body&& body) const;
    // Returns whether there is a hit before `nearest.t`, which it replaces.
    bool find_nearest(const Placed& placed, const RayOf<Lanes>& ray, const Vector3<Lanes>& inverse,
                      Nearest& nearest) const;
    bool is_met(const Placed& placed, const RayOf<Lanes>& ray, const Vector3<Lanes>& inverse) const;

    std::vector<Placed> meshes_;
    std::vector<Block> blocks_;
    std::vector<BoxOf<Lanes>> boxes_;  // of blocks, one in each lane
};

// --- the hot path ---

// Lanes of rays that are read one at a time.
class RayArray {
  public:
    explicit RayArray(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse)
        : origin_(lanes_of(rays.origin)),
          direction_(lanes_of(rays.direction)),
          inverse_(lanes_of(inverse)),
          t_min_(lanes_of(rays.t_min)) {}

    // The ray of one lane, in all lanes.
    RayOf<Lanes> ray(int lane, float t_max) const {
        return {spread<Lanes>(origin_.get(lane)), spread<Lanes>(t_min_.at[lane]), spread<Lanes>(direction_.get(lane)),
                spread<Lanes>(t_max)};
    }
    Vector3<Lanes> inverse(int lane) const { return spread<Lanes>(inverse_.get(lane)); }

  private:
    VectorArray<Lanes> origin_, direction_, inverse_;
    LaneArray<Lanes> t_min_;
};

inline SmallMeshes::BlockHit SmallMeshes::meet(const Block& block, const RayOf<Lanes>& ray, const Lanes& t_max) {
    // Where two triangles touch, a ray may miss neither: each reaches as far beyond its edges as rounding may move the
    // point where the ray meets its plane.
    constexpr float kLeast = 0x1p-20f;
    constexpr float kMost = 0x1p-10f;
    const Vector3<Lanes> from_corner = ray.origin - block.corner;
    const Lanes inverse_cosine = 1.0f / dot(block.normal, ray.direction);
    BlockHit hit;
    hit.t = -dot(block.normal, from_corner) * inverse_cosine;
    const Vector3<Lanes> point = from_corner + ray.direction * hit.t;
    hit.u = dot(block.along_u, point);
    hit.v = dot(block.along_v, point);
    const Lanes least =
        -(kLeast + minimum(Lanes(absolute(hit.t * inverse_cosine) * block.margin), spread<Lanes>(kMost)));
    // Rays in the plane, and triangles without an area: all comparisons are false.
    hit.met =
        (hit.t > ray.t_min) & (hit.t < t_max) & (hit.u >= least) & (hit.v >= least) & (1.0f - hit.u - hit.v >= least);
    return hit;
}

template <class Body>
void SmallMeshes::for_blocks(const Placed& placed, const RayOf<Lanes>& ray, const Vector3<Lanes>& inverse,
                             Body&& body) const {
    if (placed.block_count == 1) {
        body(blocks_[placed.first_block]);
        return;
    }
    uint32_t boxes = placed.first_boxes;
    for (uint32_t first = 0; first < placed.block_count; first += kLaneCount) {
        uint32_t near = MaskTraits<IntLanes>::bits(meets(boxes_[boxes++], ray, inverse));
        const uint32_t count = placed.block_count - first;
        if (count < kLaneCount) near &= (1u << count) - 1;
        for (; near != 0; near &= near - 1) {
            const auto lane = static_cast<uint32_t>(MaskTraits<IntLanes>::lowest(near));
            if (body(blocks_[placed.first_block + first + lane])) return;
        }
    }
}

inline bool SmallMeshes::find_nearest(const Placed& placed, const RayOf<Lanes>& ray, const Vector3<Lanes>& inverse,
                                      Nearest& nearest) const {
    Lanes t = ray.t_max;
    Lanes u{};
    Lanes v{};
    IntLanes primitive = IntLanes{} + kNone;
    for_blocks(placed, ray, inverse, [&](const Block& block) {
        const BlockHit hit = meet(block, ray, t);
        t = select(hit.met, hit.t, t);
        u = select(hit.met, hit.u, u);
        v = select(hit.met, hit.v, v);
        primitive = select(hit.met, block.primitive, primitive);
        return false;
    });
    if (none(IntLanes(primitive != kNone))) return false;
    const int lane = Number<Lanes>::lane_of_smallest(t);
    nearest = {t[lane], u[lane], v[lane], primitive[lane]};
    return true;
}

inline bool SmallMeshes::is_met(const Placed& placed, const RayOf<Lanes>& ray, const Vector3<Lanes>& inverse) const {
    bool met = false;
    for_blocks(placed, ray, inverse, [&](const Block& block) {
        met = any(meet(block, ray, ray.t_max).met);
        return met;
    });
    return met;
}

inline IntLanes SmallMeshes::intersect(const IntLanes& mask, RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                                       HitOf<Lanes>& hits) const {
    const RayArray array(rays, inverse);
    IntLanes found{};
    for (const Placed& placed : meshes_) {
        const IntLanes near = mask & meets(in_all_lanes(placed.box), rays, inverse);
        for_lanes(near, [&](int lane) {
            Nearest nearest;
            if (!find_nearest(placed, array.ray(lane, rays.t_max[lane]), array.inverse(lane), nearest)) return;
            found[lane] = -1;
            rays.t_max[lane] = nearest.t;
            hits.object[lane] = placed.object;
            hits.primitive[lane] = nearest.primitive;
            hits.u[lane] = nearest.u;
            hits.v[lane] = nearest.v;
        });
    }
    return found;
}

inline IntLanes SmallMeshes::occluded(const IntLanes& mask, const RayOf<Lanes>& rays,
                                      const Vector3<Lanes>& inverse) const {
    const RayArray array(rays, inverse);
    IntLanes hidden{};
    for (const Placed& placed : meshes_) {
        const IntLanes near = mask & ~hidden & meets(in_all_lanes(placed.box), rays, inverse);
        for_lanes(near, [&](int lane) {
            if (is_met(placed, array.ray(lane, rays.t_max[lane]), array.inverse(lane))) hidden[lane] = -1;
        });
    }
    return hidden;
}

}  // namespace rnd::embree
