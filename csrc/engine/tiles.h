// A package's packed weights in a file beside it, so that opening maps them instead of packing: PACKAGE.tiles.
// Enters: a validated package, and panels. Leaves: the same panels, read-only. Not here: what a panel is (kernels.h).
// The file belongs to one package and to one layout of panels; it is never shipped inside a package, and may be deleted at any
// time. Numbers only are in it, and their places come from the package: a wrong file gives wrong answers, nothing worse.
#pragma once

#include <cstdint>
#include <string>

#include "file/gguf.h"
#include "kernels/memory.h"

namespace sw {

class Tiles {
public:
    Tiles() = default;
    Tiles(Tiles&& other) noexcept;
    Tiles& operator=(Tiles&& other) noexcept;
    ~Tiles();

    // Of the package at `path`; without data when no such file is there.
    // Throws Error kind "bad_tiles" when it is another package's, of another layout, or not whole.
    static Tiles open(const std::string& path, const File& package, size_t size_bytes);
    // Writes it, aside first. Throws Error kind "cannot_write".
    static void write(const std::string& path, const File& package, const Buffer& panels);

    const uint8_t* data() const { return data_; }   // null: there are none
    size_t size_bytes() const { return size_bytes_; }

private:
    const uint8_t* data_ = nullptr;
    size_t size_bytes_ = 0;   // of the panels
};

}  // namespace sw
