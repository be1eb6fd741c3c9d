// What a model remembers of one growing text.
// Enters: the mixers' states. Leaves: how long the text is, and the states by mixer. Not here: what the states hold (attention).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sw {

// What a mixer remembers of one text, for all its layers.
class MixerState {
public:
    virtual ~MixerState() = default;
    virtual void reserve(size_t tokens) = 0;   // room for a text of so many; what is there stays
    virtual uint64_t size_bytes() const = 0;
    virtual void copy(const MixerState& from, size_t tokens) = 0;   // the first tokens of a state of the same model
};

// One text of a session. Not thread-safe; used by the session that made it.
class State {
public:
    explicit State(std::vector<std::unique_ptr<MixerState>> mixers, size_t context) : mixers_(std::move(mixers)), context_(context) {}

    size_t length() const { return length_; }   // tokens
    MixerState& of(int mixer) const { return *mixers_[(size_t)mixer]; }   // by its kind's number
    uint64_t size_bytes() const;

    void reserve(size_t tokens);   // room for a text of so many, at most the context
    void grow(size_t tokens) { length_ += tokens; }
    // Forgets all after `length`. Throws Error kind "bad_argument" when that is more than there is.
    void truncate(size_t length);
    // Becomes the first `length` tokens of another text of the same session.
    void copy(const State& from, size_t length);

private:
    std::vector<std::unique_ptr<MixerState>> mixers_;
    size_t context_;
    size_t room_ = 0;   // tokens that the mixers' states have room for
    size_t length_ = 0;
};

}  // namespace sw
