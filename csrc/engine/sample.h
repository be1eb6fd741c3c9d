// From logits to the next token: greedy, or drawn from what temperature, top-k, top-p and min-p leave. Deterministic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace sw {

struct Sampling {
    int32_t max_tokens = 128;       // > 0
    float temperature = 0;          // 0: greedy, the lowest index wins ties
    int32_t top_k = 0;              // 0: off
    float top_p = 1;                // 1: off; (0, 1]
    float min_p = 0;                // 0: off; [0, 1], of the likeliest token's probability
    float repetition_penalty = 1;   // 1: off; > 0. Of tokens in the prompt and the text (Keskar et al. 2019, CTRL)
    uint64_t seed = 0;

    void check() const;   // throws Error kind "bad_argument"
};

// Which tokens may come next: bit t % 32 of word t / 32.
using TokenMask = std::vector<uint32_t>;

// What can be said of a chosen token from the model's own distribution: before penalty, temperature and mask.
struct Likelihood {
    float log_probability = 0;   // natural logarithm
    float entropy = 0;           // of the whole distribution, in nats
};

class Sampler {
public:
    Sampler(const Sampling& sampling, const Kernels& kernels) : sampling_(sampling), kernels_(kernels), state_(sampling.seed) {}

    void see(int32_t token);   // a token of the prompt or the text, for the repetition penalty
    // The next of `count` tokens; the logits are overwritten. mask: null where all may come, else at least one.
    int32_t next(float* logits, int32_t count, const TokenMask* mask = nullptr);
    // What next() draws from: kept tokens, likeliest first where an order was needed, with weights that sum to 1.
    void distribution(float* logits, int32_t count, const TokenMask* mask, std::vector<int32_t>& tokens, std::vector<float>& weights);
    // Of a token, from logits that next() has not seen yet.
    Likelihood likelihood(const float* logits, int32_t count, int32_t token);

private:
    double uniform();   // [0, 1)
    void penalize(float* logits, int32_t count) const;
    double keep(float* logits, int32_t count, const TokenMask* mask);
    void keep_likeliest(const float* logits, int32_t count);
    void keep_nucleus(double total);
    double weigh(const float* logits, int32_t count);
    Sampling sampling_;
    const Kernels& kernels_;
    uint64_t state_;
    std::vector<bool> seen_;          // by token
    std::vector<int32_t> penalized_;  // tokens seen, each once
    std::vector<int32_t> kept_;       // empty: all
    std::vector<float> weights_;      // of kept_, or of all
};

}  // namespace sw
