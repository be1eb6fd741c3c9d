#include "engine/state.h"

#include <algorithm>
#include <string>

#include "file/error.h"

namespace sw {
namespace {

constexpr size_t kLeastRoom = 64;   // tokens

}  // namespace

uint64_t State::size_bytes() const {
    uint64_t bytes = 0;
    for (const auto& mixer : mixers_) bytes += mixer->size_bytes();
    return bytes;
}

void State::reserve(size_t tokens) {
    if (tokens <= room_) return;
    const size_t room = std::min(context_, std::max({tokens, kLeastRoom, 2 * room_}));
    for (auto& mixer : mixers_) mixer->reserve(room);
    room_ = room;
}

void State::truncate(size_t length) {
    if (length > length_)
        throw Error("bad_argument", "truncate cannot make the state longer. Got " + std::to_string(length) + ", the state has " +
                                        std::to_string(length_) + " tokens.");
    length_ = length;
}

void State::copy(const State& from, size_t length) {
    if (length > from.length_)
        throw Error("bad_argument", "a copy cannot be longer than its original. Got " + std::to_string(length) + ", the original has " +
                                        std::to_string(from.length_) + " tokens.");
    reserve(length);
    for (size_t i = 0; i < mixers_.size(); ++i) mixers_[i]->copy(*from.mixers_[i], length);
    length_ = length;
}

std::vector<uint8_t> State::save() const {
    std::vector<uint8_t> bytes;
    for (const auto& mixer : mixers_) {
        const size_t begin = bytes.size();
        bytes.resize(begin + mixer->saved_bytes(length_));
        mixer->save(length_, bytes.data() + begin);
    }
    return bytes;
}

void State::restore(size_t length, const uint8_t* bytes, size_t size_bytes) {
    if (length > context_)
        throw Error("bad_argument", "a text must have at most " + std::to_string(context_) + " tokens. Got " + std::to_string(length) + ".");
    reserve(length);
    size_t needed = 0;
    for (const auto& mixer : mixers_) needed += mixer->saved_bytes(length);
    if (needed != size_bytes)
        throw Error("bad_argument", "a saved text of " + std::to_string(length) + " tokens must have " + std::to_string(needed) + " bytes. Got " +
                                        std::to_string(size_bytes) + ".");
    for (const auto& mixer : mixers_) {
        mixer->restore(length, bytes);
        bytes += mixer->saved_bytes(length);
    }
    length_ = length;
}

}  // namespace sw
