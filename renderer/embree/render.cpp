#include "embree/render.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace rnd::embree {

namespace {

constexpr uint32_t kRowsPerTask = 4;
constexpr uint32_t kSamplesPerPortion = 4096;
constexpr auto kWatchInterval = std::chrono::milliseconds(50);

// Writes one pixel of every wanted image.
void store_pixel(const Job& job, const PixelSums& sums, size_t pixel) {
    std::array<Vec3, kBufferCount> values;
    sums.resolve(values.data());
    for (uint32_t i = 0; i < kBufferCount; ++i) {
        if (job.out[i] == nullptr) continue;
        const uint32_t channels = channel_count(static_cast<Buffer>(i));
        float* out = job.out[i] + channels * pixel;
        out[0] = values[i].x;
        if (channels == 1) continue;
        out[1] = values[i].y;
        out[2] = values[i].z;
    }
}

void render_row(Job& job, uint32_t y, const std::atomic<bool>& stopped) {
    const ViewSettings& view = job.view;
    uint64_t dropped = 0;
    for (uint32_t x = 0; x < view.size; ++x) {
        PixelSums sums;
        // In portions, so that a request to stop is heard within one pixel, too.
        for (uint32_t first = 0; first < view.samples; first += kSamplesPerPortion) {
            if (stopped.load(std::memory_order_relaxed)) return;
            render_pixel(*job.scene, view, x, y, first, first + std::min(kSamplesPerPortion, view.samples - first),
                         sums);
        }
        dropped += sums.dropped();
        store_pixel(job, sums, static_cast<size_t>(y) * view.size + x);
    }
    job.dropped.fetch_add(dropped, std::memory_order_relaxed);
}

// Rows of all jobs, handed out in order to whichever thread is free.
class Tasks {
  public:
    explicit Tasks(std::span<Job> jobs) : jobs_(jobs) {
        starts_.reserve(jobs.size() + 1);
        starts_.push_back(0);
        for (const Job& job : jobs)
            starts_.push_back(starts_.back() + (job.view.size + kRowsPerTask - 1) / kRowsPerTask);
    }

    size_t count() const { return starts_.back(); }
    double share_done() const {
        return static_cast<double>(done_.load()) / static_cast<double>(std::max<size_t>(count(), 1));
    }
    void stop() { stopped_ = true; }

    // Runs tasks until none is left.
    void work() {
        while (!stopped_.load(std::memory_order_relaxed)) {
            const size_t task = next_.fetch_add(1, std::memory_order_relaxed);
            if (task >= count()) return;
            const auto job = static_cast<size_t>(std::ranges::upper_bound(starts_, task) - starts_.begin()) - 1;
            const auto first = static_cast<uint32_t>(task - starts_[job]) * kRowsPerTask;
            const uint32_t end = std::min(first + kRowsPerTask, jobs_[job].view.size);
            for (uint32_t y = first; y < end; ++y) render_row(jobs_[job], y, stopped_);
            done_.fetch_add(1);
        }
    }

  private:
    std::span<Job> jobs_;
    std::vector<size_t> starts_;
    std::atomic<size_t> next_ = 0;
    std::atomic<size_t> done_ = 0;
    std::atomic<bool> stopped_ = false;
};

// A scene that notes every ray it is asked for.
class RecordingScene {
  public:
    RecordingScene(const Scene& scene, std::vector<RecordedRay>& rays) : scene_(scene), rays_(rays) {}

    const SceneData& data() const { return scene_.data(); }
    bool intersect(const Ray& ray, Hit& hit) const {
        rays_.push_back({ray, RayKind::intersect});
        return scene_.intersect(ray, hit);
    }
    bool occluded(const Ray& ray) const {
        rays_.push_back({ray, RayKind::occluded});
        return scene_.occluded(ray);
    }

  private:
    const Scene& scene_;
    std::vector<RecordedRay>& rays_;
};

uint64_t count_hits(const Scene& scene, std::span<const RecordedRay> rays) {
    uint64_t hits = 0;
    for (const RecordedRay& recorded : rays) {
        if (recorded.kind == RayKind::occluded) {
            RTCRay query = to_embree(recorded.ray);
            occluded(scene.handle(), query);
            hits += query.tfar < 0.0f ? 1 : 0;
        } else {
            RTCRayHit query = to_embree_query(recorded.ray);
            intersect(scene.handle(), query);
            hits += query.hit.geomID != RTC_INVALID_GEOMETRY_ID ? 1 : 0;
        }
    }
    return hits;
}

}  // namespace

uint32_t available_threads() {
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) return static_cast<uint32_t>(std::max(CPU_COUNT(&cpus), 1));
    return std::max(std::thread::hardware_concurrency(), 1u);
}

bool render(std::span<Job> jobs, uint32_t threads, const Watch& watch) {
    Tasks tasks(jobs);
    std::mutex mutex;
    std::condition_variable finished;
    const auto wanted = static_cast<size_t>(threads == 0 ? available_threads() : threads);
    size_t running = std::clamp<size_t>(tasks.count(), 1, wanted);
    std::vector<std::jthread> workers;
    workers.reserve(running);
    const size_t started = running;
    for (size_t i = 0; i < started; ++i) {
        workers.emplace_back([&] {
            tasks.work();
            const std::lock_guard lock(mutex);
            if (--running == 0) finished.notify_one();
        });
    }
    bool stopped = false;
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, kWatchInterval, [&] { return running == 0; })) {
        lock.unlock();
        if (!stopped && !watch(tasks.share_done())) {
            stopped = true;
            tasks.stop();
        }
        lock.lock();
    }
    lock.unlock();
    workers.clear();
    return !stopped && watch(1.0);
}

std::vector<RecordedRay> record_rays(const Job& job) {
    std::vector<RecordedRay> rays;
    const RecordingScene scene(*job.scene, rays);
    for (uint32_t y = 0; y < job.view.size; ++y) {
        for (uint32_t x = 0; x < job.view.size; ++x) {
            PixelSums sums;
            render_pixel(scene, job.view, x, y, 0, job.view.samples, sums);
        }
    }
    return rays;
}

TraceResult trace_rays(const Scene& scene, std::span<const RecordedRay> rays, uint32_t threads) {
    const size_t count = threads == 0 ? available_threads() : threads;
    std::atomic<uint64_t> hits = 0;
    const auto start = std::chrono::steady_clock::now();
    {
        std::vector<std::jthread> workers;
        workers.reserve(count);
        for (size_t i = 0; i < count; ++i) {
            const size_t first = rays.size() * i / count;
            const size_t end = rays.size() * (i + 1) / count;
            workers.emplace_back([&, first, end] { hits += count_hits(scene, rays.subspan(first, end - first)); });
        }
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    return {elapsed.count(), hits.load()};
}

}  // namespace rnd::embree
