// From logits to the next token: greedy, or by temperature, top-k, top-p and a seed. Deterministic.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sw {

struct Sampling {
    int32_t max_tokens = 128;   // > 0
    float temperature = 0;      // 0: greedy, the lowest index wins ties
    int32_t top_k = 0;          // 0: off
    float top_p = 1;            // 1: off; (0, 1]
    uint64_t seed = 0;

    void check() const;   // throws Error kind "bad_argument"
};

class Sampler {
public:
    explicit Sampler(const Sampling& sampling) : sampling_(sampling), state_(sampling.seed) {}
    int32_t next(const float* logits, int32_t count);

private:
    double uniform();   // [0, 1)
    Sampling sampling_;
    uint64_t state_;
    std::vector<int32_t> order_;
    std::vector<double> weights_;
};

// Bytes of tokens in, whole characters out: an unfinished one waits, an impossible one becomes U+FFFD.
class Utf8Stream {
public:
    std::string push(std::string_view bytes);
    std::string finish();

private:
    std::string pending_;
};

}  // namespace sw
