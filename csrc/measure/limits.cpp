#include "measure/limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "file/error.h"
#include "kernels/kernels.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sw {
namespace {

constexpr size_t kHugePage = (size_t)2 << 20;
// A slice is long enough that looking at the clock costs nothing that shows, and short beside a turn of the scheduler.
constexpr size_t kSliceBytes = (size_t)2 << 20;
constexpr size_t kSliceRounds = 4096;
constexpr uint64_t kBarriersOfSlice = 64;
constexpr size_t kMostSlices = (size_t)1 << 16;
constexpr double kInterrupted = 3;   // times the median
constexpr size_t kMostBytes = (size_t)16 << 30;
constexpr int kSpinsBeforeYield = 2000;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// A waiting thread lets others run after a while: on cores that are shared the one it waits for may need this core.
template <class Done>
void spin_until(Done&& done) {
    for (int spins = 0; !done(); ++spins) {
        if (spins < kSpinsBeforeYield) relax();
        else std::this_thread::yield();
    }
}

void check(int threads, double seconds) {
    if (threads < 1 || threads > Limits::kMostThreads)
        throw Error("bad_argument", "threads must be from 1 to " + std::to_string(Limits::kMostThreads) + ". Got " + std::to_string(threads) + ".");
    if (!(seconds > 0 && seconds <= Limits::kMostSeconds))
        throw Error("bad_argument", "seconds must be above 0 and at most " + std::to_string((int)Limits::kMostSeconds) + ". Got " + std::to_string(seconds) + ".");
}

// f(thread) on `threads` threads that begin together, the caller's being the first. f must not throw.
template <class F>
void together(int threads, F&& f) {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false}, abandoned{false};
    std::vector<std::thread> others;
    const auto join = [&] {
        go = true;
        for (auto& other : others) other.join();
    };
    try {
        for (int thread = 1; thread < threads; ++thread)
            others.emplace_back([&, thread] {
                ready.fetch_add(1);
                spin_until([&] { return go.load(std::memory_order_acquire); });
                if (!abandoned) f(thread);
            });
    } catch (const std::exception& error) {
        abandoned = true;
        join();
        throw Error("no_threads", std::string("the system refused to start a thread: ") + error.what() + ". Use fewer threads.");
    }
    spin_until([&] { return ready.load() == threads - 1; });
    go = true;
    f(0);
    join();
}

// Work a second of one thread, from slices of equal work. A slice that took several times the median was interrupted:
// the system gave the core to another. What the device can do is asked here, not what is left of it at this moment.
double rate_of_slices(std::vector<double>& taken, double amount) {
    const auto middle = taken.begin() + (std::ptrdiff_t)(taken.size() / 2);
    std::nth_element(taken.begin(), middle, taken.end());
    const double most = *middle * kInterrupted;
    double seconds = 0, slices = 0;
    for (const double slice : taken) {
        if (slice > most) continue;
        seconds += slice;
        ++slices;
    }
    return slices * amount / std::max(seconds, 1e-9);
}

// Work a second of all threads together: each does slices, worth `amount` each, until its time is over. f(thread, slice)
// does one; the first `warm` slices of a thread are not timed.
template <class F>
Measured rate(int threads, double seconds, double amount, size_t warm, F&& f) {
    std::vector<Measured> each(threads);
    std::vector<std::vector<double>> taken(threads);
    for (auto& mine : taken) mine.reserve(kMostSlices);
    together(threads, [&](int thread) {
        Measured mine;
        size_t slice = 0;
        while (slice < warm) mine.checksum += f(thread, slice++);
        const double start = now();
        double last = start;
        do {
            mine.checksum += f(thread, slice++);
            const double at = now();
            taken[thread].push_back(at - last);
            last = at;
        } while (last - start < seconds && taken[thread].size() < kMostSlices);
        mine.value = rate_of_slices(taken[thread], amount);
        each[thread] = mine;
    });
    Measured all;
    for (const Measured& one : each) {
        all.value += one.value;
        all.checksum += one.checksum;
    }
    return all;
}

[[noreturn]] void refuse(const std::string& name, const char* why) {
    throw Error("unsupported_isa", "limits are measured by the loops of a set that runs on this CPU. Got " + name + ": " + why + ".");
}

}  // namespace

const Loops& select_loops(const char* kernels_name) {
    const std::string name = kernels_name;
    if (name == "ref") return loops_ref;
#if defined(SW_X86)
    if (name == "avx2") {
        select_kernels("avx2");   // refuses where they cannot run
        if (!__builtin_cpu_supports("fma")) refuse(name, "this CPU has no FMA");
        return loops_avx2;
    }
    if (name == "avx512" || name == "amx") {
        select_kernels("avx512");
        return loops_avx512;
    }
#endif
#if defined(__aarch64__)
    if (name == "neon" || name == "neon_i8mm") {
        select_kernels("neon");   // refuses where they cannot run
        return loops_neon;
    }
#endif
    refuse(name, "unknown here");
}

void Limits::Free::operator()(uint8_t* memory) const { std::free(memory); }

Limits::Limits(const Loops& loops, size_t most_bytes) : loops_(loops), most_bytes_(most_bytes) {
    if (most_bytes < kReadStep || most_bytes > kMostBytes)
        throw Error("bad_argument", "most_bytes must be from " + std::to_string(kReadStep) + " to " + std::to_string(kMostBytes) + ". Got " + std::to_string(most_bytes) + ".");
    const size_t whole = (most_bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* memory = nullptr;
    if (posix_memalign(&memory, kHugePage, whole) != 0) throw std::bad_alloc();
    memory_.reset(static_cast<uint8_t*>(memory));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    madvise(memory, whole, MADV_HUGEPAGE);   // only a wish
#endif
    std::memset(memory, 0x5a, whole);   // untouched pages would all be the one page of zeros
}

Measured Limits::read(size_t size_bytes, int threads, double seconds, bool ahead) const {
    check(threads, seconds);
    const size_t part = size_bytes / threads / kReadStep * kReadStep;
    if (size_bytes > most_bytes_ || part == 0)
        throw Error("bad_argument", "a working set must be from " + std::to_string(kReadStep * threads) + " to " + std::to_string(most_bytes_) +
                                        " bytes. Got " + std::to_string(size_bytes) + ".");
    const size_t slices = (part + kSliceBytes - 1) / kSliceBytes, slice_bytes = part / slices / kReadStep * kReadStep;
    const size_t passes = std::max<size_t>(1, kSliceBytes / part);
    const auto loop = ahead ? loops_.read_ahead : loops_.read;
    return rate(threads, seconds, (double)slice_bytes * (double)passes, slices, [&](int thread, size_t slice) {
        return loop(memory_.get() + (size_t)thread * part + slice % slices * slice_bytes, slice_bytes, passes);
    });
}

Measured Limits::int8_dot(int threads, double seconds) const {
    check(threads, seconds);
    return rate(threads, seconds, (double)loops_.int8_operations * kSliceRounds, 1,
                [&](int, size_t) { return loops_.int8_dot(kSliceRounds); });
}

Measured Limits::multiply_add(int threads, double seconds) const {
    check(threads, seconds);
    return rate(threads, seconds, (double)loops_.f32_operations * kSliceRounds, 1,
                [&](int, size_t) { return loops_.multiply_add(kSliceRounds); });
}

Measured Limits::barrier(int threads, double seconds) const {
    check(threads, seconds);
    std::atomic<uint64_t> arrived{0};
    std::atomic<uint64_t> last{UINT64_MAX};   // the round after which all stop; set before the first thread arrives at it
    Measured all;
    std::vector<double> taken;
    taken.reserve(kMostSlices);
    together(threads, [&](int thread) {
        const double start = now();
        double slice_start = start;
        uint64_t round = 0;
        do {
            ++round;
            const bool ends_slice = thread == 0 && round % kBarriersOfSlice == 0;
            if (ends_slice) {
                const double at = now();
                taken.push_back(at - slice_start);
                slice_start = at;
                if (at - start >= seconds || taken.size() == kMostSlices) last.store(round, std::memory_order_relaxed);
            }
            arrived.fetch_add(1, std::memory_order_acq_rel);
            spin_until([&] { return arrived.load(std::memory_order_acquire) >= round * (uint64_t)threads; });
        } while (round < last.load(std::memory_order_relaxed));
    });
    all.value = rate_of_slices(taken, kBarriersOfSlice);
    all.checksum = arrived.load();
    return all;
}

}  // namespace sw
