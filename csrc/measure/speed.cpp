#include "measure/speed.h"

#include <chrono>

#include "engine/sample.h"

namespace sw {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

double time_prefill(Session& session, const int32_t* tokens, size_t count) {
    std::vector<float> logits(session.model().spec().vocabulary);
    session.text().truncate(0);
    const auto start = Clock::now();
    session.append(tokens, count, false, logits.data());
    return seconds_since(start);
}

double time_decode(Session& session, const int32_t* prompt, size_t count, size_t steps) {
    if (steps == 0) throw Error("bad_argument", "decoding is timed over at least one token. Got 0.");
    std::vector<float> logits(session.model().spec().vocabulary);
    Sampler sampler(Sampling{}, session.model().kernels());
    session.text().truncate(0);
    session.append(prompt, count, false, logits.data());
    const auto start = Clock::now();
    for (size_t step = 0; step < steps; ++step) {
        const int32_t token = sampler.next(logits.data(), (int32_t)logits.size());
        session.append(&token, 1, false, logits.data());
    }
    return seconds_since(start) / (double)steps;
}

std::vector<double> time_classify(Session& session, const std::vector<std::string>& texts, size_t rounds) {
    if (texts.empty()) throw Error("bad_argument", "classification is timed over at least one text. Got none.");
    std::vector<float> logits(texts.size() * session.model().spec().labels.size());
    std::vector<double> taken;
    for (size_t round = 0; round < rounds; ++round) {
        const auto start = Clock::now();
        std::vector<int32_t> tokens;
        std::vector<size_t> offsets{0};
        for (const std::string& text : texts) {
            bool truncated = false;
            const auto found = session.model().encode_for_classes(text, truncated);
            tokens.insert(tokens.end(), found.begin(), found.end());
            offsets.push_back(tokens.size());
        }
        session.classify(tokens.data(), offsets.data(), texts.size(), logits.data());
        taken.push_back(seconds_since(start));
    }
    return taken;
}

}  // namespace sw
