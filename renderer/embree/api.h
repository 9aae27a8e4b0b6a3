// What differs between Embree 3 and Embree 4, and owners of Embree's reference-counted objects.
#pragma once

#if __has_include(<embree4/rtcore.h>)
#include <embree4/rtcore.h>
#else
#include <embree3/rtcore.h>
#endif

#include <utility>

#include "embree/lanes.h"

namespace rnd::embree {

// Rays of all lanes.
#if defined(__AVX512F__)
using RayPacket = RTCRay16;
using RayHitPacket = RTCRayHit16;
#define RND_PACKET(function) function##16
#elif defined(__AVX__)
using RayPacket = RTCRay8;
using RayHitPacket = RTCRayHit8;
#define RND_PACKET(function) function##8
#else
using RayPacket = RTCRay4;
using RayHitPacket = RTCRayHit4;
#define RND_PACKET(function) function##4
#endif

#if RTC_VERSION_MAJOR >= 4

inline void intersect(RTCScene scene, RTCRayHit& ray_hit) {
    rtcIntersect1(scene, &ray_hit);
}
inline void occluded(RTCScene scene, RTCRay& ray) {
    rtcOccluded1(scene, &ray);
}
inline void intersect(RTCScene scene, const IntLanes& mask, RayHitPacket& packet) {
    RND_PACKET(rtcIntersect)(reinterpret_cast<const int*>(&mask), scene, &packet);
}
inline void occluded(RTCScene scene, const IntLanes& mask, RayPacket& packet) {
    RND_PACKET(rtcOccluded)(reinterpret_cast<const int*>(&mask), scene, &packet);
}

#else

inline void intersect(RTCScene scene, RTCRayHit& ray_hit) {
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    rtcIntersect1(scene, &context, &ray_hit);
}

inline void occluded(RTCScene scene, RTCRay& ray) {
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    rtcOccluded1(scene, &context, &ray);
}

inline void intersect(RTCScene scene, const IntLanes& mask, RayHitPacket& packet) {
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    RND_PACKET(rtcIntersect)(reinterpret_cast<const int*>(&mask), scene, &context, &packet);
}

inline void occluded(RTCScene scene, const IntLanes& mask, RayPacket& packet) {
    RTCIntersectContext context;
    rtcInitIntersectContext(&context);
    RND_PACKET(rtcOccluded)(reinterpret_cast<const int*>(&mask), scene, &context, &packet);
}

#endif

#undef RND_PACKET

template <class Handle, void (*Release)(Handle)>
class Owner {
  public:
    Owner() = default;
    explicit Owner(Handle handle) : handle_(handle) {}
    Owner(Owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owner& operator=(Owner&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Owner() {
        if (handle_ != nullptr) Release(handle_);
    }
    Handle get() const { return handle_; }

  private:
    Handle handle_ = nullptr;
};

using DeviceOwner = Owner<RTCDevice, rtcReleaseDevice>;
using SceneOwner = Owner<RTCScene, rtcReleaseScene>;
using GeometryOwner = Owner<RTCGeometry, rtcReleaseGeometry>;

}  // namespace rnd::embree
