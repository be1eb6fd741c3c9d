// A pool of threads for the short sections of a pass. Workers spin while a pass runs and park between passes.
// A section's tasks are dealt out in runs, the same way every time, so that a thread meets again the weights that its
// cache holds. A worker that the system has not scheduled is never waited for: whoever is awake takes its tasks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace sw {

class Threads {
public:
    // `count` threads including the caller's, 1 to kMost; 0: as many as the process may run on.
    explicit Threads(int count);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    int count() const { return count_; }

    // Calls f(task, thread) for every task in [0, tasks) and returns when all are done. What a task throws is thrown here,
    // one of several, when no thread works any more.
    template <class F>
    void run(int tasks, F&& f) {
        if (!active_.load(std::memory_order_relaxed) || count_ == 1 || tasks <= 1) {
            for (int task = 0; task < tasks; ++task) f(task, 0);
            return;
        }
        struct Part {
            std::remove_reference_t<F>* f;
            int first;
        } part{&f, 0};
        const Call call = [](void* context, int task, int thread) {
            const Part& of = *static_cast<const Part*>(context);
            (*of.f)(of.first + task, thread);
        };
        for (int left = tasks; left > 0; left -= kMostTasks, part.first = tasks - left)
            submit(left < kMostTasks ? left : kMostTasks, call, &part);
    }

    // Until it ends, workers are awake and sections are shared. Outside of a pass the caller does all the work.
    class Pass {
    public:
        explicit Pass(Threads& threads) : threads_(threads) { threads_.begin_pass(); }
        ~Pass() { threads_.end_pass(); }
        Pass(const Pass&) = delete;
        Pass& operator=(const Pass&) = delete;

    private:
        Threads& threads_;
    };

    static constexpr int kMost = 256;
    static constexpr int kMostTasks = (1 << 16) - 1;   // that are shared out at once

#if defined(SW_RACE)
    // Called where a thread may lose the processor at the worst moment: the stress test sleeps here.
    static std::atomic<void (*)()> worst_moment;
#endif

private:
    using Call = void (*)(void*, int, int);
    // Generation (32 bits), end (16), next task (16) of the run that one thread begins with. A thread that stops between
    // reading a ticket and taking its task finds another generation when it goes on: only one that sleeps through exactly
    // 2^32 sections could be wrong, and that is more than an hour of nothing but sections.
    struct alignas(64) Share {
        std::atomic<uint64_t> ticket{0};
    };
    void begin_pass();
    void end_pass();
    void submit(int tasks, Call call, void* context);
    int take_from(Share& share, int thread);
    int take_all(int thread);
    void fail() noexcept;
    void rethrow();
    void work(int thread);

    int count_ = 1;
    std::unique_ptr<Share[]> shares_;
    alignas(64) std::atomic<Call> call_{nullptr};
    std::atomic<void*> context_{nullptr};
    uint64_t generation_ = 0;
    alignas(64) std::atomic<int> done_{0};
    std::atomic<bool> failed_{false};
    std::exception_ptr failure_;   // behind mutex_
    alignas(64) std::atomic<bool> active_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<int> parked_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::thread> workers_;
};

}  // namespace sw
