// What both C++ workers do, so that they cannot differ: the clock, the tokens, the order of the measurements, the line.
//
// Enters: an Engine with vocabulary(), first_prompt(), reset(), append(tokens, logits of all rows or of the last one).
// Leaves: one JSON line. Not here: any engine. The same protocol for the Python peers stands in protocol.py.
#pragma once
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace worker {

constexpr int kPrefill = 512, kPrompt = 64, kGenerate = 128;
constexpr int kPrefillSamples = 3, kDecodeSamples = 2;   // after one that warms up
constexpr int kForcedPrompt = 16, kForcedSteps = 32;     // teacher-forced tokens of the accuracy check

inline double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Peak resident memory of this program alone: ru_maxrss would also tell the parent's from before exec.
inline long peak_kb() {
    long kb = 0;
    char line[256];
    FILE* status = std::fopen("/proc/self/status", "r");
    while (status && std::fgets(line, sizeof line, status))
        if (!std::strncmp(line, "VmHWM:", 6)) kb = std::atol(line + 6);
    if (status) std::fclose(status);
    return kb;
}

// Other tokens at every call, so that no cache of prompts can answer.
class Tokens {
public:
    explicit Tokens(int vocabulary) : range_(vocabulary - 10) {}
    std::vector<int32_t> next(int count) {
        salt_ += 101;
        std::vector<int32_t> tokens((size_t)count);
        for (int i = 0; i < count; ++i) tokens[(size_t)i] = (int32_t)((salt_ + (int64_t)i * 7919) % range_) + 3;
        return tokens;
    }

private:
    int64_t range_, salt_ = 0;
};

inline int32_t likeliest(const std::vector<float>& logits) {
    // Sixteen maxima side by side, which compilers make vectors of: the worker's own part must not weigh.
    float top[16];
    std::fill_n(top, 16, logits[0]);
    size_t i = 0;
    for (; i + 16 <= logits.size(); i += 16)
        for (size_t lane = 0; lane < 16; ++lane) top[lane] = logits[i + lane] > top[lane] ? logits[i + lane] : top[lane];
    for (; i < logits.size(); ++i) top[0] = std::max(top[0], logits[i]);
    const float largest = *std::max_element(top, top + 16);
    return (int32_t)(std::find(logits.begin(), logits.end(), largest) - logits.begin());
}

inline std::string join(const std::vector<double>& values) {
    std::string text;
    char number[32];
    for (const double value : values) {
        std::snprintf(number, sizeof number, "%s%.3f", text.empty() ? "" : ",", value);
        text += number;
    }
    return text;
}

template <class Engine>
void measure(Engine& engine, bool only_first) {
    const int vocabulary = engine.vocabulary();
    std::vector<float> logits((size_t)vocabulary);
    engine.append(engine.first_prompt(), logits.data());
    volatile int32_t first = likeliest(logits);
    (void)first;
    const double first_at = now();
    const long first_peak_kb = peak_kb();
    const long long first_kv_bytes = (long long)engine.kv_bytes();
    std::vector<double> prefill, decode;
    Tokens tokens(vocabulary);
    for (int sample = 0; !only_first && sample <= kPrefillSamples; ++sample) {
        engine.reset();
        const auto prompt = tokens.next(kPrefill);
        const double began = now();
        engine.append(prompt, logits.data());
        const double seconds = now() - began;
        if (sample) prefill.push_back(kPrefill / seconds);
    }
    for (int sample = 0; !only_first && sample <= kDecodeSamples; ++sample) {
        engine.reset();
        engine.append(tokens.next(kPrompt), logits.data());
        std::vector<int32_t> token{likeliest(logits)};
        const double began = now();
        for (int step = 0; step < kGenerate; ++step) {
            engine.append(token, logits.data());
            token[0] = likeliest(logits);
        }
        const double seconds = now() - began;
        if (sample) decode.push_back(kGenerate / seconds);
    }
    std::printf("{\"first_at\":%.6f,\"first_peak_kb\":%ld,\"peak_kb\":%ld,\"first_kv_bytes\":%lld,\"decode\":[%s],\"prefill\":[%s]}\n",
                first_at, first_peak_kb, peak_kb(), first_kv_bytes, join(decode).c_str(), join(prefill).c_str());
}

// Float32 logits after the prompt and after every forced token, one row each: prefill and decode both speak.
template <class Engine>
void write_logits(Engine& engine, const char* path) {
    std::vector<float> logits((size_t)engine.vocabulary());
    FILE* file = std::fopen(path, "wb");
    if (!file) {
        std::fprintf(stderr, "logits go to a file that can be written. Got %s. Choose another place.\n", path);
        std::exit(1);
    }
    const auto tokens = Tokens(engine.vocabulary()).next(kForcedPrompt + kForcedSteps);
    engine.append({tokens.begin(), tokens.begin() + kForcedPrompt}, logits.data());
    std::fwrite(logits.data(), sizeof(float), logits.size(), file);
    for (int step = 0; step < kForcedSteps; ++step) {
        engine.append({tokens[(size_t)(kForcedPrompt + step)]}, logits.data());
        std::fwrite(logits.data(), sizeof(float), logits.size(), file);
    }
    if (std::fclose(file)) std::exit(1);
    std::printf("{\"rows\":%d}\n", 1 + kForcedSteps);
}

// `mode` is "full", "first" (the first token alone) or "logits" with a path behind it.
template <class Engine>
int run(Engine& engine, const char* mode, const char* path) {
    if (!std::strcmp(mode, "logits") && path) write_logits(engine, path);
    else if (!std::strcmp(mode, "full") || !std::strcmp(mode, "first")) measure(engine, *mode == 'f' && mode[1] == 'i');
    else {
        std::fprintf(stderr, "a mode is full, first, or logits FILE. Got %s.\n", mode);
        return 2;
    }
    return std::fflush(stdout) ? 1 : 0;
}

constexpr const char* kFirstText = "def main(argv): return";

}  // namespace worker
