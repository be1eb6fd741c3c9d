// A pool of threads for the short sections of a pass. Workers spin while a pass runs and park between passes.
// A worker that the system has not scheduled is never waited for: whoever is awake takes its tasks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace sw {

class Threads {
public:
    // `count` threads including the caller's, 1 to kMost; 0: as many as the process may run on.
    explicit Threads(int count);
    ~Threads();
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

    int count() const { return (int)workers_.size() + 1; }

    // Calls f(task, thread) for every task in [0, tasks) and returns when all are done. f must not throw.
    template <class F>
    void run(int tasks, F&& f) {
        if (workers_.empty() || tasks <= 1) {
            for (int task = 0; task < tasks; ++task) f(task, 0);
            return;
        }
        submit(tasks, [](void* context, int task, int thread) { (*static_cast<F*>(context))(task, thread); }, (void*)&f);
    }

    void begin_pass();   // workers wake and spin
    void end_pass();     // workers may park

    static constexpr int kMost = 256;
    static constexpr int kMostTasks = 1 << 19;

private:
    using Call = void (*)(void*, int, int);
    void submit(int tasks, Call call, void* context);
    bool take_one(int thread);
    void work(int thread);

    // ticket: generation (24 bits), number of tasks (20), next task (20)
    std::atomic<uint64_t> ticket_{0};
    std::atomic<Call> call_{nullptr};
    std::atomic<void*> context_{nullptr};
    std::atomic<int> done_{0};
    std::atomic<bool> active_{false}, stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::thread> workers_;
};

}  // namespace sw
