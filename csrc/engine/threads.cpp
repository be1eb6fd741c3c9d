#include "engine/threads.h"

#include <algorithm>
#include <string>
#include <utility>

#include "file/error.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace sw {
namespace {

constexpr int kFieldBits = 16;
constexpr uint64_t kField = (1u << kFieldBits) - 1;
constexpr int kSpinsBeforeYield = 2000;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

inline void may_lose_processor() {
#if defined(SW_RACE)
    if (const auto pause = Threads::worst_moment.load(std::memory_order_relaxed)) pause();
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

static_assert(Threads::kMostTasks <= (int)kField, "a ticket holds the number of every task");

#if defined(SW_RACE)
std::atomic<void (*)()> Threads::worst_moment{nullptr};
#endif

Threads::Threads(int count) {
    if (count < 0 || count > kMost)
        throw Error("bad_argument", "threads must be from 0 (all cores) to " + std::to_string(kMost) + ". Got " + std::to_string(count) + ".");
    if (count == 0) count = std::min(usable_cores(), kMost);
    count_ = count;
    shares_ = std::make_unique<Share[]>((size_t)count);
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
    active_.store(true);
    if (parked_.load() == 0) return;
    { std::lock_guard<std::mutex> lock(mutex_); }   // who has looked at active_ and not yet parked does so first
    wake_.notify_all();
}

void Threads::end_pass() { active_.store(false); }

// Tasks of one share, done by `thread`, until there are none; how many.
int Threads::take_from(Share& share, int thread) {
    int taken = 0;
    uint64_t ticket = share.ticket.load(std::memory_order_acquire);
    while ((ticket & kField) < (ticket >> kFieldBits & kField)) {
        // Read before the exchange: if it succeeds, the section was still open, so these belonged to it.
        const Call call = call_.load(std::memory_order_relaxed);
        void* const context = context_.load(std::memory_order_relaxed);
        may_lose_processor();
        if (!share.ticket.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
        may_lose_processor();
        try {
            call(context, (int)(ticket & kField), thread);
        } catch (...) {   // out of memory, in the scratch of a kernel: the request fails, not the process
            fail();
        }
        ++taken;
        ticket = share.ticket.load(std::memory_order_acquire);
    }
    return taken;
}

void Threads::fail() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    failed_.store(true, std::memory_order_relaxed);   // seen by who sees the task done
}

void Threads::rethrow() {
    std::exception_ptr failure;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        std::swap(failure, failure_);
    }
    failed_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(failure);
}

// One's own run first, then what the others have not begun. Whoever has taken a task keeps the section open until it
// says so in done_: all that it takes here is of one section.
int Threads::take_all(int thread) {
    int taken = take_from(shares_[thread], thread);
    if (taken == 0 && thread != 0) return 0;
    for (int i = 1; i < count_; ++i) taken += take_from(shares_[(thread + i) % count_], thread);
    return taken;
}

void Threads::submit(int tasks, Call call, void* context) {
    done_.store(0, std::memory_order_relaxed);
    call_.store(call, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    const uint64_t generation = ++generation_ << 2 * kFieldBits;
    for (int i = count_ - 1; i >= 0; --i) {
        const uint64_t begin = (uint64_t)tasks * i / count_, end = (uint64_t)tasks * (i + 1) / count_;
        shares_[i].ticket.store(generation | end << kFieldBits | begin, std::memory_order_release);
    }
    const int left = tasks - take_all(0);
    for (int spins = 0; done_.load(std::memory_order_acquire) != left; ++spins) {
        if (spins < kSpinsBeforeYield) relax();
        else std::this_thread::yield();
    }
    if (failed_.load(std::memory_order_relaxed)) rethrow();
}

void Threads::work(int thread) {
    int idle = 0;
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (const int taken = take_all(thread)) {
            may_lose_processor();
            done_.fetch_add(taken, std::memory_order_release);
            idle = 0;
        } else if (++idle < kSpinsBeforeYield) {
            relax();
        } else if (active_.load(std::memory_order_relaxed)) {
            std::this_thread::yield();
        } else {
            std::unique_lock<std::mutex> lock(mutex_);
            ++parked_;
            wake_.wait(lock, [this] { return active_.load() || stopping_.load(); });
            --parked_;
            idle = 0;
        }
    }
}

}  // namespace sw
