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
    // The first tokens as bytes, and back; the same bytes on every machine of the same byte order.
    virtual size_t saved_bytes(size_t tokens) const = 0;   // there is room for them
    virtual void save(size_t tokens, uint8_t* to) const = 0;
    virtual void restore(size_t tokens, const uint8_t* from) = 0;
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
    std::vector<uint8_t> save() const;
    // Becomes a text of `length` tokens that was saved with the same model and bits. Throws Error kind "bad_argument" when
    // the size is another one.
    void restore(size_t length, const uint8_t* bytes, size_t size_bytes);

private:
    std::vector<std::unique_ptr<MixerState>> mixers_;
    size_t context_;
    size_t room_ = 0;   // tokens that the mixers' states have room for
    size_t length_ = 0;
};

}  // namespace sw
