#include "engine/threads.h"

#include <algorithm>
#include <string>

#include "file/error.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace sw {
namespace {

constexpr uint64_t kField = (1u << 20) - 1;
constexpr int kSpinsBeforeYield = 2000;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int usable_cores() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1, (int)std::thread::hardware_concurrency());
}

}  // namespace

Threads::Threads(int count) {
    if (count < 0 || count > kMost)
        throw Error("bad_argument", "threads must be from 0 (all cores) to " + std::to_string(kMost) + ". Got " + std::to_string(count) + ".");
    if (count == 0) count = std::min(usable_cores(), kMost);
    try {
        for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (const std::exception& error) {
        stopping_ = true;
        begin_pass();
        for (auto& worker : workers_) worker.join();
        throw Error("no_threads", std::string("the system refused to start a thread: ") + error.what() + ". Use fewer threads.");
    }
}

Threads::~Threads() {
    stopping_ = true;
    begin_pass();
    for (auto& worker : workers_) worker.join();
}

void Threads::begin_pass() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        active_ = true;
    }
    wake_.notify_all();
}

void Threads::end_pass() { active_ = false; }

bool Threads::take_one(int thread) {
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    const uint64_t next = ticket & kField, tasks = (ticket >> 20) & kField;
    if (next >= tasks) return false;
    // Read before the exchange: if it succeeds, the section was still open, so these belonged to it.
    const Call call = call_.load(std::memory_order_relaxed);
    void* const context = context_.load(std::memory_order_relaxed);
    if (!ticket_.compare_exchange_strong(ticket, ticket + 1, std::memory_order_acq_rel)) return true;
    call(context, (int)next, thread);
    done_.fetch_add(1, std::memory_order_release);
    return true;
}

void Threads::submit(int tasks, Call call, void* context) {
    done_.store(0, std::memory_order_relaxed);
    call_.store(call, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    const uint64_t generation = (ticket_.load(std::memory_order_relaxed) >> 40) + 1;
    ticket_.store((generation << 40) | ((uint64_t)tasks << 20), std::memory_order_release);
    while (take_one(0)) {
    }
    for (int spins = 0; done_.load(std::memory_order_acquire) != tasks; ++spins) {
        if (spins < kSpinsBeforeYield) relax();
        else std::this_thread::yield();
    }
}

void Threads::work(int thread) {
    int idle = 0;
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (take_one(thread)) {
            idle = 0;
        } else if (++idle < kSpinsBeforeYield) {
            relax();
        } else if (active_.load(std::memory_order_relaxed)) {
            std::this_thread::yield();
        } else {
            std::unique_lock<std::mutex> lock(mutex_);
            wake_.wait(lock, [this] { return active_.load() || stopping_.load(); });
            idle = 0;
        }
    }
}

}  // namespace sw
