// A triangle mesh with its acceleration structure, shared by all scenes that show it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/scene_data.h"
#include "embree/device.h"

namespace rnd::embree {

class Mesh {
  public:
    // Takes `normals` and `uvs` empty where the mesh has none. Throws SceneFault.
    Mesh(std::shared_ptr<Device> device, std::vector<Vec3> positions, std::vector<Vec3> normals, std::vector<Vec2> uvs,
         std::vector<uint32_t> triangles);

    MeshView view() const;
    RTCScene scene() const { return scene_.get(); }
    const std::vector<Vec3>& positions() const { return positions_; }
    const std::vector<uint32_t>& triangles() const { return triangles_; }
    // The largest magnitude of each coordinate.
    const Vec3& reach() const { return reach_; }
    uint32_t triangle_count() const { return static_cast<uint32_t>(triangles_.size() / 3); }
    // Of at most 256 triangles. What there are of them is no work to build anew for each scene.
    bool is_small() const { return triangle_count() <= 256; }
    // Of small meshes: all triangles, neighbors near each other.
    std::span<const uint32_t> compact_order() const { return compact_order_; }

  private:
    std::shared_ptr<Device> device_;
    std::vector<Vec3> positions_;
    std::vector<Vec3> normals_;
    std::vector<Vec2> uvs_;
    std::vector<uint32_t> triangles_;
    std::vector<uint32_t> compact_order_;
    Vec3 reach_;
    SceneOwner scene_;
};

class Texture {
  public:
    // Takes linear RGB, [height, width, 3], row 0 at the top. Gray is kept as such: lookups are scattered, and most of
    // their time they wait for memory.
    Texture(std::span<const float> rgb, int32_t columns, int32_t rows);

    TextureView view() const { return {pixels_.data(), width_, height_, channels_}; }

  private:
    int32_t width_;
    int32_t height_;
    int32_t channels_ = 1;
    std::vector<float> pixels_;  // [height, width, channels]
};

}  // namespace rnd::embree
