#include "engine/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "file/error.h"

namespace sw {
namespace {

// The first of the largest. Sixteen at a time: one maximum after the other takes longer than a small model's layer.
int32_t likeliest(const float* logits, int32_t count) {
    constexpr int32_t kLanes = 16;
    float top[kLanes];
    std::fill_n(top, kLanes, logits[0]);
    int32_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        for (int32_t lane = 0; lane < kLanes; ++lane) top[lane] = logits[i + lane] > top[lane] ? logits[i + lane] : top[lane];
    for (; i < count; ++i) top[0] = std::max(top[0], logits[i]);
    const float largest = *std::max_element(top, top + kLanes);
    return (int32_t)(std::find(logits, logits + count, largest) - logits);
}

double sum(const float* x, size_t count) {
    double parts[4] = {};
    for (size_t i = 0; i < count; ++i) parts[i % 4] += x[i];
    return (parts[0] + parts[1]) + (parts[2] + parts[3]);
}

// What eight bits of a mask leave of eight logits: everything, or nothing.
struct Ceilings {
    float of[256][8];
    Ceilings() {
        constexpr float kInfinity = std::numeric_limits<float>::infinity();
        for (int byte = 0; byte < 256; ++byte)
            for (int bit = 0; bit < 8; ++bit) of[byte][bit] = byte >> bit & 1 ? kInfinity : -kInfinity;
    }
};

// Forbidden tokens become impossible. Throws Error kind "nothing_allowed" where none is left.
void apply(const TokenMask& mask, float* logits, int32_t count) {
    static const Ceilings ceilings;
    uint32_t any = 0;
    for (int32_t first = 0; first < count; first += 8) {
        const size_t word = (size_t)first / 32;
        const uint32_t byte = word < mask.size() ? mask[word] >> first % 32 & 255 : 0;
        any |= byte;
        const float* const ceiling = ceilings.of[byte];
        if (first + 8 <= count)   // a fixed number, so that it becomes vectors
            for (int32_t i = 0; i < 8; ++i) logits[first + i] = std::min(logits[first + i], ceiling[i]);
        else
            for (int32_t i = 0; i < count - first; ++i) logits[first + i] = std::min(logits[first + i], ceiling[i]);
    }
    if (!any) throw Error("nothing_allowed", "a mask must allow at least one token. Got none.");
}

}  // namespace

void Sampling::check() const {
    const auto refuse = [](const char* law, const std::string& got) {
        throw Error("bad_argument", std::string(law) + " Got " + got + ".");
    };
    if (max_tokens <= 0) refuse("max_tokens must be at least 1.", std::to_string(max_tokens));
    if (!(temperature >= 0) || !std::isfinite(temperature)) refuse("temperature must be 0 (greedy) or more.", std::to_string(temperature));
    if (top_k < 0) refuse("top_k must be 0 (off) or more.", std::to_string(top_k));
    if (!(top_p > 0 && top_p <= 1)) refuse("top_p must be above 0 and at most 1 (off).", std::to_string(top_p));
    if (!(min_p >= 0 && min_p <= 1)) refuse("min_p must be from 0 (off) to 1.", std::to_string(min_p));
    if (!(repetition_penalty > 0) || !std::isfinite(repetition_penalty))
        refuse("repetition_penalty must be above 0 (1: off).", std::to_string(repetition_penalty));
}

// splitmix64 (Steele, Lea, Flood 2014)
double Sampler::uniform() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

void Sampler::see(int32_t token) {
    if (sampling_.repetition_penalty == 1) return;
    if ((size_t)token >= seen_.size()) seen_.resize((size_t)token + 1);
    if (seen_[(size_t)token]) return;
    seen_[(size_t)token] = true;
    penalized_.push_back(token);
}

void Sampler::penalize(float* logits, int32_t count) const {
    for (const int32_t token : penalized_)
        if (token < count) logits[token] = logits[token] > 0 ? logits[token] / sampling_.repetition_penalty : logits[token] * sampling_.repetition_penalty;
}

Likelihood Sampler::likelihood(const float* logits, int32_t count, int32_t token) {
    const float top = logits[likeliest(logits, count)];
    weights_.resize((size_t)count);
    for (int32_t i = 0; i < count; ++i) weights_[(size_t)i] = logits[i] - top;
    kernels_.exp(weights_.data(), (size_t)count);
    const double total = sum(weights_.data(), (size_t)count);
    double spread[4] = {};   // sum of weight times (logit - top); what has no weight adds nothing
    for (int32_t i = 0; i < count; ++i)
        if (weights_[(size_t)i] > 0) spread[i % 4] += (double)weights_[(size_t)i] * (double)(logits[i] - top);
    const double log_total = std::log(total);
    return {(float)((double)(logits[token] - top) - log_total), (float)(log_total - ((spread[0] + spread[1]) + (spread[2] + spread[3])) / total)};
}

// kept_ becomes the top_k likeliest, in order.
void Sampler::keep_likeliest(const float* logits, int32_t count) {
    kept_.resize((size_t)count);
    std::iota(kept_.begin(), kept_.end(), 0);
    const auto before = [logits](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
    std::partial_sort(kept_.begin(), kept_.begin() + sampling_.top_k, kept_.end(), before);
    kept_.resize((size_t)sampling_.top_k);
}

// Weights of kept_, or of all; returns their sum.
double Sampler::weigh(const float* logits, int32_t count) {
    const float top = logits[kept_.empty() ? likeliest(logits, count) : kept_[0]], cooler = 1.0f / sampling_.temperature;
    weights_.resize(kept_.empty() ? (size_t)count : kept_.size());
    for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = (logits[kept_.empty() ? i : (size_t)kept_[i]] - top) * cooler;
    kernels_.exp(weights_.data(), weights_.size());
    return sum(weights_.data(), weights_.size());
}

// The likeliest tokens that together have top_p of the weight, and of these the ones that min_p leaves.
void Sampler::keep_nucleus(double total) {
    const size_t count = weights_.size();
    // All tokens below this weight have less than 1 - top_p together: the nucleus is among the others.
    const double least = (1.0 - (double)sampling_.top_p) / (double)count * total;
    std::vector<std::pair<float, int32_t>> order;
    for (size_t i = 0; i < count; ++i)
        if (weights_[i] >= least && weights_[i] >= sampling_.min_p) order.emplace_back(weights_[i], kept_.empty() ? (int32_t)i : kept_[i]);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
    double mass = 0;
    size_t inside = 0;
    while (inside < order.size() && (inside == 0 || mass < (double)sampling_.top_p * total)) mass += (double)order[inside++].first;
    kept_.resize(inside);
    weights_.resize(inside);
    for (size_t i = 0; i < inside; ++i) {
        kept_[i] = order[i].second;
        weights_[i] = order[i].first;
    }
}

// Sets kept_ and weights_ to what may be drawn; returns the sum of the weights.
double Sampler::keep(float* logits, int32_t count, const TokenMask* mask) {
    if (!penalized_.empty()) penalize(logits, count);
    if (mask) apply(*mask, logits, count);
    kept_.clear();
    if (sampling_.temperature == 0) {
        kept_ = {likeliest(logits, count)};
        weights_ = {1.0f};
        return 1.0;
    }
    if (sampling_.top_k > 0 && sampling_.top_k < count) keep_likeliest(logits, count);
    const double total = weigh(logits, count);
    if (sampling_.top_p == 1 && sampling_.min_p == 0) return total;
    keep_nucleus(total);
    return sum(weights_.data(), weights_.size());
}

void Sampler::distribution(float* logits, int32_t count, const TokenMask* mask, std::vector<int32_t>& tokens, std::vector<float>& weights) {
    const double total = keep(logits, count, mask);
    tokens = kept_;
    if (tokens.empty()) {
        tokens.resize(weights_.size());
        std::iota(tokens.begin(), tokens.end(), 0);
    }
    weights = weights_;
    for (float& weight : weights) weight = (float)((double)weight / total);
}

int32_t Sampler::next(float* logits, int32_t count, const TokenMask* mask) {
    const double total = keep(logits, count, mask);
    if (sampling_.temperature == 0) return kept_[0];
    double at = uniform() * total;
    size_t last = 0;   // that has a weight: rounding must not lead to one that has none
    for (size_t i = 0; i < weights_.size(); ++i) {
        if (!(weights_[i] > 0)) continue;
        last = i;
        at -= (double)weights_[i];
        if (at < 0) break;
    }
    return kept_.empty() ? (int32_t)last : kept_[last];
}

}  // namespace sw
