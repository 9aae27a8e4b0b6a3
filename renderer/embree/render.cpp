#include "embree/render.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "embree/half.h"

namespace rnd::embree {

namespace {

constexpr uint32_t kRowsPerTask = 4;
constexpr uint32_t kSamplesPerPortion = 4096;
constexpr auto kWatchInterval = std::chrono::milliseconds(50);

// Writes pixels of a job to its images.
class Writer {
  public:
    explicit Writer(const Job& job) : values_(values_of(job.view.settings.buffers)) {
        for (uint32_t i = 0; i < kBufferCount; ++i) {
            if (job.out[i].wanted()) targets_[count_++] = {job.out[i], i, channel_count(static_cast<Buffer>(i))};
        }
    }

    void store(const PixelSums& sums, size_t pixel) const {
        std::array<Vec3, kBufferCount> means;
        sums.resolve(values_, means.data());
        for (const Target& target : std::span(targets_).first(count_)) {
            const Vec3& mean = means[target.buffer];
            const size_t first = target.channels * pixel;
            store(target.image, first, mean.x);
            if (target.channels == 1) continue;
            store(target.image, first + 1, mean.y);
            store(target.image, first + 2, mean.z);
        }
    }

  private:
    struct Target {
        Image image;
        uint32_t buffer;
        uint32_t channels;
    };

    static void store(const Image& image, size_t i, float value) {
        if (image.floats != nullptr) {
            image.floats[i] = value;
        } else {
            image.halves[i] = to_half(value);
        }
    }

    ValueList values_;
    std::array<Target, kBufferCount> targets_{};
    size_t count_ = 0;
};

// Adds samples [first, end) of every pixel of row `y`, in portions, so that a request to stop is heard within a row,
// too. Returns false if there was one.
bool add_samples(const Job& job, uint32_t y, uint32_t first, uint32_t end, const std::atomic<bool>& stopped,
                 std::span<PixelSums> row) {
    const uint32_t at_once = std::max(kSamplesPerPortion / job.view.size, 1u);
    const uint32_t width = std::min(job.view.size, kSamplesPerPortion);
    for (uint32_t x = 0; x < job.view.size; x += width) {
        const uint32_t x_end = std::min(x + width, job.view.size);
        for (uint32_t from = first; from < end;) {
            if (stopped.load(std::memory_order_relaxed)) return false;
            const uint32_t count = std::min(at_once, end - from);
            const SampleRange range{y, x, x_end, from, from + count};
            rnd::add_samples<Lanes>(*job.scene, job.view, range, row.data() + x);
            from += count;
        }
    }
    return true;
}

void render_row(Job& job, uint32_t y, const std::atomic<bool>& stopped) {
    std::vector<PixelSums> row(job.view.size);
    if (!add_samples(job, y, 0, job.view.samples, stopped, row)) return;
    const Writer writer(job);
    uint64_t dropped = 0;
    for (uint32_t x = 0; x < job.view.size; ++x) {
        dropped += row[x].dropped();
        writer.store(row[x], static_cast<size_t>(y) * job.view.size + x);
    }
    job.dropped.fetch_add(dropped, std::memory_order_relaxed);
}

// Adds one pass to a row of an adaptive view. Returns true if it was the pass's last row.
bool refine_row(const Job& job, Refinement& refinement, uint32_t y, const std::atomic<bool>& stopped) {
    const Pass& pass = refinement.pass();
    const std::span<PixelSums> row = refinement.row(y);
    if (!add_samples(job, y, pass.first, pass.middle, stopped, row)) return false;
    std::vector<LuminanceSum> before;
    before.reserve(row.size());
    for (const PixelSums& sums : row) before.push_back(luminance_of(sums));
    if (!add_samples(job, y, pass.middle, pass.end, stopped, row)) return false;
    ErrorSums errors;
    for (size_t x = 0; x < row.size(); ++x) errors.add(before[x], luminance_of(row[x]));
    return refinement.finish_row(y, errors);
}

void store_view(Job& job, const Refinement& refinement) {
    const Writer writer(job);
    uint64_t dropped = 0;
    for (size_t pixel = 0; pixel < refinement.sums().size(); ++pixel) {
        writer.store(refinement.sums()[pixel], pixel);
        dropped += refinement.sums()[pixel].dropped();
    }
    job.dropped = dropped;
    job.samples_used = refinement.pass().end;
    job.error = refinement.error();
}

// Rows of all jobs, handed out in order to whichever thread is free. Adaptive views come back pass by pass; they go
// before views that have not begun, so that few of them hold memory at a time.
class Tasks {
  public:
    explicit Tasks(std::span<Job> jobs) : jobs_(jobs), refinements_(jobs.size()) {
        starts_.reserve(jobs.size() + 1);
        starts_.push_back(0);
        for (Job& job : jobs) {
            starts_.push_back(starts_.back() + (job.view.size + kRowsPerTask - 1) / kRowsPerTask);
            job.samples_used = job.view.samples;
            if (is_adaptive(job)) ++unfinished_;
            total_ += job.view.size * uint64_t{most_samples(job)};
        }
    }

    size_t count() const { return starts_.back(); }
    double share_done() const {
        return static_cast<double>(done_.load()) / static_cast<double>(std::max<uint64_t>(total_, 1));
    }
    void stop() {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

    // Runs tasks until none is left.
    void work() {
        try {
            while (const std::optional<Task> task = take()) run(*task);
        } catch (...) {
            {
                const std::lock_guard lock(mutex_);
                failure_ = std::current_exception();
            }
            stop();
        }
    }

  private:
    struct Task {
        size_t job;
        uint32_t first_row;
    };

    static bool is_adaptive(const Job& job) { return job.adaptivity.target_error > 0.0; }
    static uint32_t most_samples(const Job& job) {
        return is_adaptive(job) ? job.adaptivity.max_samples : job.view.samples;
    }

    // Waits while only other threads can tell whether there is more to do.
    std::optional<Task> take() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopped_ || !again_.empty() || next_ < count() || unfinished_ == 0; });
        if (stopped_) return {};
        if (!again_.empty()) {
            const Task task = again_.front();
            again_.pop_front();
            return task;
        }
        if (next_ == count()) return {};
        const size_t number = next_++;
        const auto job = static_cast<size_t>(std::ranges::upper_bound(starts_, number) - starts_.begin()) - 1;
        if (is_adaptive(jobs_[job]) && refinements_[job] == nullptr) {
            refinements_[job] = std::make_unique<Refinement>(jobs_[job].view, jobs_[job].adaptivity);
        }
        return Task{job, static_cast<uint32_t>(number - starts_[job]) * kRowsPerTask};
    }

    void run(const Task& task) {
        Job& job = jobs_[task.job];
        Refinement* refinement = refinements_[task.job].get();
        const uint32_t end = std::min(task.first_row + kRowsPerTask, job.view.size);
        const uint32_t samples =
            refinement == nullptr ? job.view.samples : refinement->pass().end - refinement->pass().first;
        bool last = false;
        for (uint32_t y = task.first_row; y < end; ++y) {
            if (refinement == nullptr) {
                render_row(job, y, stopped_);
            } else {
                last = refine_row(job, *refinement, y, stopped_);
            }
        }
        done_ += uint64_t{end - task.first_row} * samples;
        if (last) finish_pass(task.job);
    }

    void finish_pass(size_t index) {
        Job& job = jobs_[index];
        Refinement& refinement = *refinements_[index];
        const bool more = refinement.advance();
        if (!more) {
            store_view(job, refinement);
            done_ += job.view.size * uint64_t{most_samples(job) - job.samples_used};
        }
        const std::lock_guard lock(mutex_);
        if (more) {
            for (uint32_t y = 0; y < job.view.size; y += kRowsPerTask) again_.push_back({index, y});
        } else {
            refinements_[index].reset();
            --unfinished_;
        }
        changed_.notify_all();
    }

    std::span<Job> jobs_;
    std::vector<size_t> starts_;
    std::vector<std::unique_ptr<Refinement>> refinements_;  // of adaptive views that have begun
    std::mutex mutex_;
    std::condition_variable changed_;
    size_t next_ = 0;
    std::deque<Task> again_;
    size_t unfinished_ = 0;  // adaptive views
    std::exception_ptr failure_;
    uint64_t total_ = 0;  // rows times samples a pixel
    std::atomic<uint64_t> done_ = 0;
    std::atomic<bool> stopped_ = false;
};

// A scene that notes every ray it is asked for.
class RecordingScene {
  public:
    RecordingScene(const Scene& scene, std::vector<RecordedRay>& rays)
        : scene_(scene), embree_(scene.in_embree()), rays_(rays) {}

    const SceneData& data() const { return scene_.data(); }
    IntLanes intersect(const IntLanes& mask, const RayOf<Lanes>& rays, HitOf<Lanes>& hits) const {
        note(mask, rays, RayKind::intersect);
        return scene_.intersect(mask, rays, hits);
    }
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const {
        note(mask, rays, RayKind::occluded);
        return scene_.occluded(mask, rays);
    }

  private:
    void note(const IntLanes& mask, const RayOf<Lanes>& rays, RayKind kind) const {
        const VectorArray<Lanes> origin = lanes_of(rays.origin);
        const VectorArray<Lanes> direction = lanes_of(rays.direction);
        const IntLanes traced = mask & embree_->can_trace(rays);
        for_lanes(traced, [&](int lane) {
            const Ray ray{origin.get(lane), rays.t_min[lane], direction.get(lane), rays.t_max[lane]};
            rays_.push_back({ray, kind});
        });
    }

    const Scene& scene_;
    std::unique_ptr<Accelerator> embree_;
    std::vector<RecordedRay>& rays_;
};

RTCRay to_embree(const Ray& ray) {
    RTCRay out;
    out.org_x = ray.origin.x;
    out.org_y = ray.origin.y;
    out.org_z = ray.origin.z;
    out.tnear = ray.t_min;
    out.dir_x = ray.direction.x;
    out.dir_y = ray.direction.y;
    out.dir_z = ray.direction.z;
    out.time = 0.0f;
    out.tfar = ray.t_max;
    out.mask = 0xffffffffu;
    out.id = 0;
    out.flags = 0;
    return out;
}

uint64_t count_hits(RTCScene scene, std::span<const RecordedRay> rays) {
    uint64_t hits = 0;
    for (const RecordedRay& recorded : rays) {
        if (recorded.kind == RayKind::occluded) {
            RTCRay query = to_embree(recorded.ray);
            occluded(scene, query);
            hits += query.tfar < 0.0f ? 1 : 0;
        } else {
            RTCRayHit query;
            query.ray = to_embree(recorded.ray);
            query.hit.geomID = RTC_INVALID_GEOMETRY_ID;
            query.hit.instID[0] = RTC_INVALID_GEOMETRY_ID;
            intersect(scene, query);
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
    tasks.rethrow();
    return !stopped && watch(1.0);
}

std::vector<RecordedRay> record_rays(const Job& job) {
    std::vector<RecordedRay> rays;
    const RecordingScene scene(*job.scene, rays);
    std::vector<PixelSums> sums(job.view.size);
    for (uint32_t y = 0; y < job.view.size; ++y) {
        rnd::add_samples<Lanes>(scene, job.view, {y, 0, job.view.size, 0, job.view.samples}, sums.data());
    }
    return rays;
}

TraceResult trace_rays(const Scene& scene, std::span<const RecordedRay> rays, uint32_t threads) {
    const size_t count = threads == 0 ? available_threads() : threads;
    const std::unique_ptr<Accelerator> embree = scene.in_embree();
    std::atomic<uint64_t> hits = 0;
    const auto start = std::chrono::steady_clock::now();
    {
        std::vector<std::jthread> workers;
        workers.reserve(count);
        for (size_t i = 0; i < count; ++i) {
            const size_t first = rays.size() * i / count;
            const size_t end = rays.size() * (i + 1) / count;
            workers.emplace_back(
                [&, first, end] { hits += count_hits(embree->handle(), rays.subspan(first, end - first)); });
        }
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    return {elapsed.count(), hits.load()};
}

}  // namespace rnd::embree
