#include "engine/lookup.h"

#include <algorithm>

namespace sw {
namespace {

constexpr size_t kContext = 3;   // tokens that must agree

}  // namespace

uint64_t PromptLookup::key(size_t end) const {
    uint64_t key = 0;
    for (size_t i = end - kContext; i < end; ++i) key = (key ^ (uint64_t)(uint32_t)tokens_[i]) * 0x9E3779B97F4A7C15u;
    return key;
}

void PromptLookup::add(int32_t token) {
    // What stood before the new token is now followed by something.
    if (tokens_.size() - begin_ >= kContext) after_[key(tokens_.size())] = tokens_.size();
    tokens_.push_back(token);
}

void PromptLookup::add_reference(const std::vector<int32_t>& tokens) {
    begin_ = tokens_.size();
    for (const int32_t token : tokens) add(token);
    begin_ = tokens_.size();
}

std::vector<int32_t> PromptLookup::guess(size_t most) const {
    if (tokens_.size() - begin_ < kContext) return {};
    const auto found = after_.find(key(tokens_.size()));
    if (found == after_.end()) return {};
    const size_t from = found->second;
    // Equal keys could be those of other tokens.
    if (!std::equal(tokens_.end() - kContext, tokens_.end(), tokens_.begin() + (long)(from - kContext))) return {};
    std::vector<int32_t> out;
    for (size_t i = from; out.size() < most; ++i) {
        if (i < tokens_.size()) out.push_back(tokens_[i]);
        else out.push_back(out[i - tokens_.size()]);   // the text repeats itself: so may the guess
    }
    return out;
}

void GuessingPays::learn(double seconds, size_t guessed, size_t tokens) {
    if (guessed == 0) {
        plain_ = plain_ == 0 ? seconds : plain_ + (seconds - plain_) / 8;
        if (pause_ > 0) --pause_;
        return;
    }
    ++tries_;
    // Half as many guesses after a pass whose guesses were mostly wrong, twice as many after one in which all were right.
    if (tokens - 1 == guessed) most_ = std::min(kMost, most_ * 2);
    else if (2 * (tokens - 1) < guessed) most_ = std::max<size_t>(1, most_ / 2);
    spent_ += seconds;
    gained_ += plain_ * (double)tokens;
    if (tries_ < 4) return;
    if (spent_ > gained_) {
        pause_ = next_pause_;
        next_pause_ = std::min(kLongest, next_pause_ * 2);
    } else {
        next_pause_ = 16;
    }
    spent_ = gained_ = 0;
    tries_ = 0;
}

}  // namespace sw
