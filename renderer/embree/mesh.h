// A triangle mesh with its acceleration structure, shared by all scenes that show it.
#pragma once

#include <cstdint>
#include <memory>
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

  private:
    std::shared_ptr<Device> device_;
    std::vector<Vec3> positions_;
    std::vector<Vec3> normals_;
    std::vector<Vec2> uvs_;
    std::vector<uint32_t> triangles_;
    Vec3 reach_;
    SceneOwner scene_;
};

struct Texture {
    std::vector<float> pixels;  // [height, width, 3], linear, row 0 at the top
    int32_t width = 0;
    int32_t height = 0;
};

}  // namespace rnd::embree
