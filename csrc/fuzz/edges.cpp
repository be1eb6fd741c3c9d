// sw-edges: does any product read or write beyond what it was given? Every array ends where a page begins that nobody may
// touch: this also sees the loads that the address sanitizer does not, those of tiles above all.
// Enters: nothing. Leaves: a count; a crash names the case before it.
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "fuzz/random.h"
#include "kernels/kernels.h"
#include "kernels/pack.h"

namespace {

char current_case[160] = "";

void tell_case(int) {
    if (write(STDERR_FILENO, current_case, std::strlen(current_case)) < 0) _exit(2);
    _exit(1);
}

// Memory whose last byte is the last one of a page.
class Guarded {
public:
    explicit Guarded(size_t size_bytes) {
        const size_t page = (size_t)sysconf(_SC_PAGESIZE);
        const size_t whole = (size_bytes + page - 1) / page * page;
        mapped_ = whole + page;
        base_ = static_cast<uint8_t*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (base_ == MAP_FAILED || mprotect(base_ + whole, page, PROT_NONE) != 0) throw std::bad_alloc();
        data_ = base_ + whole - size_bytes;
    }
    ~Guarded() { munmap(base_, mapped_); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    template <class T>
    T* as() const { return reinterpret_cast<T*>(data_); }

private:
    uint8_t* base_;
    uint8_t* data_;
    size_t mapped_;
};

constexpr sw::Type kTypes[] = {sw::Type::f32, sw::Type::f16, sw::Type::bf16, sw::Type::q8_0, sw::Type::q4_0, sw::Type::q4_1,
                               sw::Type::q5_0, sw::Type::q5_1, sw::Type::q4_k, sw::Type::q5_k, sw::Type::q6_k, sw::Type::iq4_nl};

// One product, packed and in place, of n rows of activations.
void try_product(const sw::Kernels& kernels, sw::Type type, size_t n, size_t cols, size_t rows, sw_fuzz::Random& random) {
    const sw::Layout& layout = sw::layout_of(type);
    const size_t size_bytes = cols / layout.block * layout.block_bytes * rows;
    const Guarded file(size_bytes), x(n * cols * sizeof(float)), y(n * rows * sizeof(float)), bias(rows * sizeof(float));
    for (size_t i = 0; i < size_bytes; ++i) file.as<uint8_t>()[i] = (uint8_t)random.next();
    for (size_t i = 0; i < n * cols; ++i) x.as<float>()[i] = (float)(int)random.below(200) - 100.0f;
    const sw::Tensor tensor{"w", type, 2, {cols, rows, 1, 1}, file.as<uint8_t>(), size_bytes};
    sw::PackedMatrix in_place(tensor), packed(tensor);
    const Guarded panels(packed.size_bytes());
    packed.place(panels.as<uint8_t>());
    (void)packed.pack(0, packed.panels());
    // The contract of Rows: what is quantised may be read up to the next multiple of 16 rows, and no further.
    const size_t readable = (n + 15) / 16 * 16, blocks = cols / sw::kBlock;
    const Guarded q(readable * cols), scale(readable * blocks * 4), offset(readable * blocks * 4), half(readable * blocks * 4);
    sw::Rows in;
    in.f32 = x.as<float>();
    in.f32_stride = cols;
    if (packed.quantized()) {
        in.q = q.as<int8_t>();
        in.scale = scale.as<float>();
        in.offset = offset.as<int32_t>();
        in.half = half.as<int32_t>();
        in.q_stride = cols;
        kernels.quantize(x.as<float>(), n * cols, q.as<int8_t>(), scale.as<float>(), offset.as<int32_t>(), half.as<int32_t>());
    }
    const auto multiply = [&] {
        for (const sw::PackedMatrix* matrix : {&packed, &in_place})
            for (const bool add : {false, true})
                for (const int read_end : {0, matrix->panels()})
                    matrix->multiply(kernels, in, (int)n, sw::Output{y.as<float>(), rows, bias.as<float>(), add}, 0, matrix->panels(), read_end);
    };
    multiply();
    if (packed.quantized() && kernels.rounded_products) {
        const Guarded tiles(readable * cols * sizeof(uint16_t));
        for (size_t t = 0; t < n; ++t)
            kernels.to_tiles(x.as<float>() + t * cols, cols, tiles.as<uint16_t>() + t / 16 * 16 * cols + t % 16 * sw::kBlock);
        in.bf16 = tiles.as<uint16_t>();
        multiply();
    }
    std::vector<float> row(cols);
    packed.read_row((int)rows - 1, row.data());
    in_place.read_row((int)rows - 1, row.data());
}

}  // namespace

int main() {
    for (const int number : {SIGSEGV, SIGBUS}) signal(number, tell_case);
    sw_fuzz::Random random(1);
    uint64_t cases = 0;
    for (const char* isa : {"ref", "avx2", "avx512", "amx", "neon"}) {
        const sw::Kernels* kernels = nullptr;
        try {
            kernels = &sw::select_kernels(isa);
        } catch (const sw::Error&) {   // not on this machine
            continue;
        }
        for (const sw::Type type : kTypes) {
            for (size_t n = 1; n <= 35; ++n) {
                const size_t least = sw::layout_of(type).block == 256 ? 256 : sw::kBlock;
                for (const size_t cols : {least, 3 * least}) {
                    for (const size_t rows : {(size_t)1, (size_t)15, (size_t)16, (size_t)65}) {
                        std::snprintf(current_case, sizeof current_case, "sw-edges: %s, %s, %zu rows times (%zu, %zu) touched what is beyond\n", isa,
                                      sw::layout_of(type).name, n, rows, cols);
                        try_product(*kernels, type, n, cols, rows, random);
                        ++cases;
                    }
                }
            }
        }
    }
    std::printf("%llu products, none beyond its arrays\n", (unsigned long long)cases);
    return 0;
}
