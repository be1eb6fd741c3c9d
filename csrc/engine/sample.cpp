#include "engine/sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "file/error.h"
#include "file/utf8.h"

namespace sw {

void Sampling::check() const {
    const auto refuse = [](const char* law, const std::string& got) {
        throw Error("bad_argument", std::string(law) + " Got " + got + ".");
    };
    if (max_tokens <= 0) refuse("max_tokens must be at least 1.", std::to_string(max_tokens));
    if (!(temperature >= 0) || !std::isfinite(temperature)) refuse("temperature must be 0 (greedy) or more.", std::to_string(temperature));
    if (top_k < 0) refuse("top_k must be 0 (off) or more.", std::to_string(top_k));
    if (!(top_p > 0 && top_p <= 1)) refuse("top_p must be above 0 and at most 1 (off).", std::to_string(top_p));
}

// splitmix64 (Steele, Lea, Flood 2014)
double Sampler::uniform() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
}

// The first of the largest. Sixteen at a time: one maximum after the other takes longer than a small model's layer.
static int32_t likeliest(const float* logits, int32_t count) {
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

int32_t Sampler::next(const float* logits, int32_t count) {
    if (sampling_.temperature == 0) return likeliest(logits, count);
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0);
    const auto before = [logits](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
    int32_t kept = sampling_.top_k > 0 ? std::min(sampling_.top_k, count) : count;
    if (kept < count) std::partial_sort(order_.begin(), order_.begin() + kept, order_.end(), before);
    else if (sampling_.top_p < 1) std::sort(order_.begin(), order_.end(), before);
    const float top = *std::max_element(logits, logits + count);
    weights_.resize(kept);
    double total = 0;
    for (int32_t i = 0; i < kept; ++i) total += weights_[i] = std::exp(((double)logits[order_[i]] - top) / sampling_.temperature);
    if (sampling_.top_p < 1) {
        double mass = 0;
        int32_t last = 0;
        while (last < kept && mass < sampling_.top_p * total) mass += weights_[last++];
        kept = std::max(last, 1);
        total = mass;
    }
    double at = uniform() * total;
    for (int32_t i = 0; i < kept; ++i) {
        at -= weights_[i];
        if (at < 0) return order_[i];
    }
    return order_[kept - 1];
}

std::string Utf8Stream::push(std::string_view bytes) {
    pending_ += bytes;
    std::string out;
    size_t at = 0;
    while (at < pending_.size()) {
        uint32_t code = 0;
        size_t skip = 0;
        const size_t length = read_utf8(pending_, at, code, skip);
        if (length > 0) {
            out.append(pending_, at, length);
            at += length;
            continue;
        }
        if (at + skip == pending_.size()) {
            // A piece that ends with the bytes may become a character: try with a continuation byte behind it.
            const unsigned char lead = (unsigned char)pending_[at];
            const size_t needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
            if (lead >= 0xc2 && lead <= 0xf4 && skip < needed) break;
        }
        out += "\xEF\xBF\xBD";
        at += skip;
    }
    pending_.erase(0, at);
    return out;
}

std::string Utf8Stream::finish() {
    const bool unfinished = !pending_.empty();
    pending_.clear();
    return unfinished ? "\xEF\xBF\xBD" : "";
}

}  // namespace sw
