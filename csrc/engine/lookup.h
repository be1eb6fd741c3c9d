// Guesses at the next tokens from what the text already said: after the same few tokens, the same may follow again.
// Source: Saxena 2023, prompt lookup decoding; Yang et al. 2023, Inference with Reference (LLMA).
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace sw {

class PromptLookup {
public:
    // References are read as if they stood before the text: answers of the domain, for example.
    void add(int32_t token);
    void add_reference(const std::vector<int32_t>& tokens);
    // At most `most` tokens that followed the last three tokens where they stood before, latest first; none where they did not.
    std::vector<int32_t> guess(size_t most) const;

private:
    uint64_t key(size_t end) const;   // of the three tokens before `end`
    std::vector<int32_t> tokens_;
    std::unordered_map<uint64_t, size_t> after_;   // where a key was followed by something last
    size_t begin_ = 0;                             // of the text or of the reference: no key reaches over it
};

// Whether guessing pays, by what passes with and without guesses took. Starts hopeful, once it knows what a pass without
// takes; when guesses have cost more than they brought it pauses, twice as long every time.
class GuessingPays {
public:
    bool now() const { return plain_ > 0 && pause_ == 0; }
    size_t most() const { return most_; }
    // A pass took `seconds`, checked `guessed` tokens and brought `tokens`.
    void learn(double seconds, size_t guessed, size_t tokens);

private:
    static constexpr size_t kMost = 8, kLongest = 1024;
    double plain_ = 0;                     // seconds of a pass without guesses, a moving average
    double spent_ = 0, gained_ = 0;        // seconds with guesses; seconds that their tokens would have taken without
    size_t tries_ = 0, pause_ = 0, next_pause_ = 16, most_ = kMost;
};

}  // namespace sw
