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

}  // namespace sw
