// sw-race: many threads at work, made for the thread sanitizer; without it a test that nothing is lost or done twice.
// First the pool of threads alone: short sections in which every task must run exactly once, while threads fall asleep
// at the worst moments. Then many sessions on shared models: what each answers must be the bits of one thread alone.
// Enters: sections, rounds, a seed. Leaves: status 1 and one line when anything differs.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/generator.h"
#include "engine/threads.h"
#include "fuzz/packages.h"
#include "fuzz/random.h"
#include "kernels/memory.h"

using sw_fuzz::Random;

namespace {

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "sw-race: %s\n", what.c_str());
    std::exit(1);
}

// A thread that waits for another one for ever is a finding too.
constexpr unsigned kPatienceSeconds = 300;

void tell_waiting(int) {
    static const char line[] = "sw-race: a pass must end. Got none within five minutes\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) _exit(2);
    _exit(1);
}

// ---- the pool alone

// One in this many worst moments, a thread is gone for as long as another program may have its core.
constexpr size_t kRarely = 4000;

void fall_asleep() {
    static std::atomic<uint64_t> seeds{0};
    static thread_local Random random(seeds.fetch_add(1, std::memory_order_relaxed));
    const size_t draw = random.below(kRarely);
    if (draw == 0) std::this_thread::sleep_for(std::chrono::microseconds(1 + random.below(200)));
    else if (draw < 20) std::this_thread::yield();
}

class Sections {
public:
    Sections(int count, uint64_t seed) : pool_(count), random_(seed), odd_runs_(3 * sw::Threads::kMostTasks), even_runs_(odd_runs_) {}

    void run_pass() {
        alarm(kPatienceSeconds);
        const sw::Threads::Pass pass(pool_);
        for (size_t i = 0, sections = 1 + random_.below(3000); i < sections; ++i) run_section();
    }
    // Long enough for the workers to park, sometimes.
    void rest() {
        if (random_.below(4) == 0) std::this_thread::sleep_for(std::chrono::microseconds(random_.below(500)));
    }
    uint64_t sections() const { return sections_; }

private:
    void run_section() {
        ++sections_;
        int tasks = static_cast<int>(1 + random_.below(24));
        if (random_.below(200000) == 0) tasks = sw::Threads::kMostTasks * 2 + 5;
        const int thrower = random_.below(500) == 0 ? static_cast<int>(random_.below(static_cast<size_t>(tasks))) : -1;
        const bool thrown = sections_ % 2 ? !finishes(tasks, thrower, odd_runs_) : !finishes_backwards(tasks, thrower, even_runs_);
        if (thrown != (thrower >= 0)) fail("what a task throws must reach the caller. It did not");
        check_runs(sections_ % 2 ? odd_runs_ : even_runs_, tasks, thrown);
        check_runs(sections_ % 2 ? even_runs_ : odd_runs_, 0, false);
    }
    // Two functions, so that a thread that is late by a section runs the wrong one. `runs` has no atomics: a task that runs
    // twice at once, or after its section, is a data race.
    bool finishes(int tasks, int thrower, std::vector<uint64_t>& runs) {
        try {
            pool_.run(tasks, [&, this](int task, int thread) { do_task(runs[static_cast<size_t>(task)], task == thrower, thread); });
        } catch (const std::runtime_error&) {
            return false;
        }
        return true;
    }
    bool finishes_backwards(int tasks, int thrower, std::vector<uint64_t>& runs) {
        const int last = tasks - 1;
        try {
            pool_.run(tasks, [&, this](int task, int thread) { do_task(runs[static_cast<size_t>(last - task)], last - task == thrower, thread); });
        } catch (const std::runtime_error&) {
            return false;
        }
        return true;
    }
    void do_task(uint64_t& runs, bool throws, int thread) {
        if (thread < 0 || thread >= pool_.count()) fail("a task ran in a thread that is not there");
        runs += sections_;
        if (throws) throw std::runtime_error("asked for");
    }
    // A pool of one thread stops at the task that throws; the others do all, or none would know what was done.
    void check_runs(std::vector<uint64_t>& runs, int tasks, bool thrown) {
        for (int task = 0; task < std::max(tasks, 32); ++task) {
            uint64_t& found = runs[static_cast<size_t>(task)];
            if (!thrown && found != (task < tasks ? sections_ : 0))
                fail("a task must run exactly once, in its section. Section " + std::to_string(sections_) + ", task " + std::to_string(task));
            found = 0;
        }
    }

    sw::Threads pool_;
    Random random_;
    std::vector<uint64_t> odd_runs_, even_runs_;
    uint64_t sections_ = 0;
};

void test_pool(uint64_t sections, uint64_t seed) {
    sw::Threads::worst_moment = fall_asleep;
    for (int count = 1; count <= 4; ++count) {
        uint64_t done = 0;
        for (uint64_t pools = 0; done < sections; ++pools) {   // a new pool now and then: threads begin and end, too
            Sections pool(count, seed * 1000 + static_cast<uint64_t>(count) * 100 + pools);
            while (pool.sections() < std::max<uint64_t>(sections / 8, 1)) {
                pool.run_pass();
                pool.rest();
            }
            done += pool.sections();
        }
        std::printf("pool of %d: %llu sections, every task once\n", count, static_cast<unsigned long long>(done));
        std::fflush(stdout);
    }
    sw::Threads::worst_moment = nullptr;
}

// ---- sessions

// One package, twice open, and what one thread answers.
struct Subject {
    sw::Buffer bytes;
    std::unique_ptr<sw::Model> packed, in_place;
    std::vector<std::vector<int32_t>> texts;
    std::vector<std::vector<float>> logits;   // of every text: all rows of a generator, the classes of a classifier
    std::string generated;
};

constexpr char kPrompt[] = "turn on";
sw::Request make_request(const sw::Model& model) {
    sw::Request request;
    request.prompt = model.encode_prompt(kPrompt);
    request.sampling.max_tokens = 12;
    request.sampling.temperature = 0.8f;
    request.sampling.top_k = 20;
    request.sampling.top_p = 0.95f;
    request.sampling.seed = 3;
    return request;
}

std::string generate(sw::Session& session) { return sw::Generator(session, 1).run(make_request(session.model())).text; }

// The same request several times, some of which share passes.
void generate_many(sw::Session& session, const std::string& expected, Random& random) {
    sw::Generator generator(session, 1 + random.below(4));
    std::vector<size_t> numbers(1 + random.below(5));
    for (size_t& number : numbers) number = generator.submit(make_request(session.model()));
    while (generator.step()) continue;
    for (const size_t number : numbers)
        if (generator.take_result(number).text != expected) fail("a text must be that of one thread alone. Got another from a generator");
}

std::vector<float> answer(sw::Session& session, const std::vector<int32_t>& text) {
    const sw::Model& model = session.model();
    const size_t outputs = static_cast<size_t>(model.outputs());
    std::vector<float> logits((model.spec().classifier ? 1 : text.size()) * outputs);
    const size_t offsets[] = {0, text.size()};
    if (model.spec().classifier) {
        session.classify(text.data(), offsets, 1, logits.data());
    } else {
        session.text().truncate(0);
        session.append(text.data(), text.size(), true, logits.data());
    }
    return logits;
}

Subject make_subject(const sw_fuzz::Bytes& package, uint64_t seed) {
    Subject subject;
    subject.bytes = sw::Buffer(package.size());
    std::memcpy(subject.bytes.as(), package.data(), package.size());
    subject.packed = sw::Model::parse(subject.bytes.as(), package.size(), false);
    subject.in_place = sw::Model::parse(subject.bytes.as(), package.size(), true);
    const sw::ModelSpec& spec = subject.packed->spec();
    sw::Session alone(*subject.packed, 1, 16);
    Random random(seed);
    for (int i = 0; i < 24; ++i) {
        std::vector<int32_t> text(1 + random.below(static_cast<size_t>(spec.context)));
        for (int32_t& token : text) token = static_cast<int32_t>(random.below(static_cast<size_t>(spec.vocabulary)));
        subject.logits.push_back(answer(alone, text));
        subject.texts.push_back(std::move(text));
    }
    if (!spec.classifier) subject.generated = generate(alone);
    return subject;
}

void expect(const float* found, const float* expected, size_t count, const char* what) {
    if (std::memcmp(found, expected, count * sizeof(float)) != 0)
        fail(std::string("logits must be the bits of one thread alone. Got others from ") + what);
}

// Several texts in one call: they share passes.
void classify_many(sw::Session& session, const Subject& subject, Random& random) {
    const size_t classes = static_cast<size_t>(session.model().outputs());
    std::vector<int32_t> tokens;
    std::vector<size_t> offsets{0}, which;
    for (size_t i = 0, count = 1 + random.below(20); i < count; ++i) {
        which.push_back(random.below(subject.texts.size()));
        const auto& text = subject.texts[which.back()];
        tokens.insert(tokens.end(), text.begin(), text.end());
        offsets.push_back(tokens.size());
    }
    std::vector<float> logits(which.size() * classes);
    session.classify(tokens.data(), offsets.data(), which.size(), logits.data());
    for (size_t i = 0; i < which.size(); ++i) expect(logits.data() + i * classes, subject.logits[which[i]].data(), classes, "classify");
}

// In pieces, with a piece that is forgotten again.
void append_pieces(sw::Session& session, const Subject& subject, Random& random) {
    const size_t outputs = static_cast<size_t>(session.model().outputs()), chosen = random.below(subject.texts.size());
    const std::vector<int32_t>& text = subject.texts[chosen];
    std::vector<float> logits(text.size() * outputs);
    session.text().truncate(0);
    for (size_t at = 0; at < text.size();) {
        const size_t count = 1 + random.below(text.size() - at);
        session.append(text.data() + at, count, true, logits.data() + at * outputs);
        at += count;
        if (random.below(4) == 0) {
            at -= random.below(count);
            session.text().truncate(at);
        }
    }
    expect(logits.data(), subject.logits[chosen].data(), logits.size(), "append");
}

void use_sessions(const std::vector<Subject>& subjects, uint64_t rounds, uint64_t seed) {
    Random random(seed);
    for (uint64_t round = 0; round < rounds; ++round) {
        alarm(kPatienceSeconds);
        const Subject& subject = random.of(subjects);
        const sw::Model& model = random.below(3) == 0 ? *subject.in_place : *subject.packed;
        sw::Session session(model, static_cast<int>(1 + random.below(4)), 16);
        for (size_t i = 0, requests = random.below(6); i < requests; ++i) {   // none: opened and closed
            if (model.spec().classifier) classify_many(session, subject, random);
            else if (random.below(4) != 0) append_pieces(session, subject, random);
            else generate_many(session, subject.generated, random);
        }
    }
}

void test_sessions(uint64_t rounds, uint64_t seed) {
    std::vector<Subject> subjects;
    for (const sw_fuzz::Bytes& package : sw_fuzz::make_packages()) subjects.push_back(make_subject(package, seed));
    std::vector<std::thread> users;
    constexpr uint64_t kUsers = 4;
    for (uint64_t user = 0; user < kUsers; ++user)
        users.emplace_back([&subjects, rounds, seed, user] { use_sessions(subjects, rounds, seed * 10 + user); });
    for (std::thread& user : users) user.join();
    std::printf("%llu threads, %llu sessions each on %zu models: the bits of one thread\n", static_cast<unsigned long long>(kUsers),
                static_cast<unsigned long long>(rounds), subjects.size());
}

}  // namespace

int main(int argc, char** argv) {
    uint64_t sections = 250000, rounds = 200, seed = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        uint64_t* number = name == "--sections" ? &sections : name == "--rounds" ? &rounds : name == "--seed" ? &seed : nullptr;
        if (number == nullptr || i + 1 == argc) {
            std::fprintf(stderr, "usage: sw-race [--sections N] [--rounds N] [--seed S]\n");
            return 2;
        }
        *number = std::strtoull(argv[++i], nullptr, 10);
    }
    signal(SIGALRM, tell_waiting);
    try {
        test_pool(sections, seed);
        test_sessions(rounds, seed);
    } catch (const std::exception& error) {
        fail(error.what());
    }
    return 0;
}
