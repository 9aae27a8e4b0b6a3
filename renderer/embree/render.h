// Renders views on all threads, and records rays for benchmarks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/integrator.h"
#include "embree/refinement.h"
#include "embree/scene.h"

namespace rnd::embree {

// Where the pixels of a buffer go, [size, size, channels]: to floats, or to half floats, or nowhere.
struct Image {
    float* floats = nullptr;
    uint16_t* halves = nullptr;

    bool wanted() const { return floats != nullptr || halves != nullptr; }
};

// One view to render.
struct Job {
    std::shared_ptr<Scene> scene;
    ViewSettings view;
    Adaptivity adaptivity;
    std::array<Image, kBufferCount> out{};
    std::atomic<uint64_t> dropped = 0;
    uint32_t samples_used = 0;  // a pixel
    double error = 0.0;         // estimated relative standard error; only of adaptive views
};

// Called about twenty times a second on the thread that called `render`, with the share that is done. Rendering stops
// when it returns false.
using Watch = std::function<bool(double)>;

// Renders all jobs with `threads` threads (0: one for each CPU this process may use). The result does not depend on
// their number. Returns false if `watch` stopped it. Throws std::bad_alloc.
bool render(std::span<Job> jobs, uint32_t threads, const Watch& watch);

enum class RayKind : uint8_t { intersect, occluded };

struct RecordedRay {
    Ray ray;
    RayKind kind;
};

// All rays of a view, in the order in which one thread traces them.
std::vector<RecordedRay> record_rays(const Job& job);

struct TraceResult {
    double seconds = 0.0;
    uint64_t hits = 0;
};

// Traces rays in a bare loop, split evenly among threads.
TraceResult trace_rays(const Scene& scene, std::span<const RecordedRay> rays, uint32_t threads);

uint32_t available_threads();

}  // namespace rnd::embree
