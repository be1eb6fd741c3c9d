// One thread for what is computed while a pass runs.
// Enters: a job. Leaves: its end. Not here: the threads of a pass (threads).
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace sw {

class Background {
public:
    Background() : thread_([this] { work(); }) {}

    ~Background() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    void start(std::function<void()> job) {   // which throws nothing
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            job_ = std::move(job);
        }
        changed_.notify_all();
    }

    void wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return !job_; });
    }

private:
    void work() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return job_ || stopping_; });
            if (!job_) return;
            lock.unlock();
            job_();
            lock.lock();
            job_ = nullptr;
            changed_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::function<void()> job_;
    bool stopping_ = false;
    std::thread thread_;   // last: it uses all of the above
};

}  // namespace sw
