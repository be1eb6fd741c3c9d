#include "engine/tiles.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "file/error.h"

namespace sw {
namespace {

constexpr size_t kPage = 4096;   // where the panels begin
constexpr char kMagic[8] = {'S', 'W', 'T', 'I', 'L', 'E', 'S', '1'};   // the last letter is the layout's number: kernels.h

struct Header {
    char magic[8];
    uint64_t fingerprint;
    uint64_t size_bytes;   // of the panels
};

// 64 bits of a package: of all that comes before its tensors, and of 64 lines of 64 bytes from there to its end. Reading all of it
// would take as long as packing; two trainings differ in every line.
uint64_t fingerprint_of(const File& package) {
    constexpr size_t kLine = 64, kLines = 64;
    const uint8_t* const bytes = package.bytes();
    const size_t size = (size_t)package.size_bytes();
    size_t head = size;
    for (const Tensor& tensor : package.tensors()) head = std::min(head, (size_t)(tensor.data - bytes));
    uint64_t hash = size;
    const auto mix = [&](size_t at, size_t count) {
        for (size_t end = at + count; at + sizeof(uint64_t) <= end; at += sizeof(uint64_t)) {
            uint64_t word;
            std::memcpy(&word, bytes + at, sizeof word);
            hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
            hash ^= hash >> 32;
        }
    };
    mix(0, head);
    const size_t step = std::max(kLine, (size - head) / kLines / kLine * kLine);
    for (size_t at = head; at + kLine <= size; at += step) mix(at, kLine);
    return hash;
}

std::string name_of(const std::string& path) { return path + ".tiles"; }

class Descriptor {
public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int number() const { return number_; }

private:
    int number_;
};

bool write_all(int descriptor, const void* from, size_t size) {
    const char* at = static_cast<const char*>(from);
    while (size > 0) {
        const ssize_t written = ::write(descriptor, at, std::min<size_t>(size, 1u << 30));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

}  // namespace

Tiles::Tiles(Tiles&& other) noexcept { *this = std::move(other); }

Tiles& Tiles::operator=(Tiles&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
}

Tiles::~Tiles() {
    if (data_) munmap(const_cast<uint8_t*>(data_) - kPage, kPage + size_bytes_);
}

Tiles Tiles::open(const std::string& path, const File& package, size_t size_bytes) {
    const std::string name = name_of(path);
    const auto refuse = [&name](const std::string& got) {
        return Error("bad_tiles", "tiles must be those of the package that they lie beside. Got " + got + " in " + name +
                                      ". Delete the file, or make it again: smallwright prepare.");
    };
    const Descriptor file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.number() < 0 && errno == ENOENT) return {};
    struct stat status {};
    if (file.number() < 0 || fstat(file.number(), &status) != 0) throw refuse(std::string("'") + std::strerror(errno) + "'");
    if (!S_ISREG(status.st_mode)) throw refuse("something that is not a plain file");
    if ((uint64_t)status.st_size != kPage + (uint64_t)size_bytes)
        throw refuse(std::to_string(status.st_size) + " bytes instead of " + std::to_string(kPage + size_bytes));
    void* const mapping = mmap(nullptr, kPage + size_bytes, PROT_READ, MAP_PRIVATE, file.number(), 0);
    if (mapping == MAP_FAILED) throw refuse(std::string("'") + std::strerror(errno) + "' when mapping it");
    Tiles tiles;
    tiles.data_ = static_cast<const uint8_t*>(mapping) + kPage;
    tiles.size_bytes_ = size_bytes;
    Header header;
    std::memcpy(&header, mapping, sizeof header);
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.size_bytes != size_bytes) throw refuse("another layout");
    if (header.fingerprint != fingerprint_of(package)) throw refuse("another package's");
    return tiles;
}

void Tiles::write(const std::string& path, const File& package, const Buffer& panels) {
    const std::string name = name_of(path), aside = name + ".partial";
    const auto refuse = [&name] {
        return Error("cannot_write", "tiles are written beside their package. Got '" + std::string(std::strerror(errno)) + "' for " + name +
                                         ". Make room, or copy the package to a folder that can be written.");
    };
    uint8_t head[kPage] = {};
    Header header{};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.fingerprint = fingerprint_of(package);
    header.size_bytes = panels.size_bytes();
    std::memcpy(head, &header, sizeof header);
    {
        const Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (file.number() < 0) throw refuse();
        if (!write_all(file.number(), head, kPage) || !write_all(file.number(), panels.as(), panels.size_bytes()) || fsync(file.number()) != 0) {
            const int reason = errno;
            ::unlink(aside.c_str());
            errno = reason;
            throw refuse();
        }
    }
    if (std::rename(aside.c_str(), name.c_str()) != 0) throw refuse();
}

}  // namespace sw
