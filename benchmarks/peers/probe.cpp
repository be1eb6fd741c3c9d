// What the machine gives right now, as one JSON line: probe MEGABYTES...
//
// For 1 and 2 threads: the peak of int8 products (and AMX's, where there is AMX), and the bandwidth of reading each
// working set again and again, the better of two ways. A hypervisor that puts both processors on one core, or lends them to others, shows here.
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

volatile long long sink;   // results go here, so that no loop is dropped

double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void pin(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// Seconds from the first thread's start to the last one's end; all start together.
template <class Work>
double timed(int threads, Work work) {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
    std::vector<double> began((size_t)threads), ended((size_t)threads);
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t)
        pool.emplace_back([&, t] {
            if (threads > 1) pin(t);   // a single thread goes where there is room
            ++ready;
            while (!go) sched_yield();
            began[(size_t)t] = now();
            work(t);
            ended[(size_t)t] = now();
        });
    while (ready < threads) sched_yield();
    go = true;
    for (auto& thread : pool) thread.join();
    return *std::max_element(ended.begin(), ended.end()) - *std::min_element(began.begin(), began.end());
}

#if defined(__AVX512VNNI__)
constexpr double kOperations = 16 * 128;   // 16 registers of 64 products and sums
void multiply(long rounds) {
    __m512i sums[16], left = _mm512_set1_epi8(3), right = _mm512_set1_epi8(1);
    for (int i = 0; i < 16; ++i) sums[i] = _mm512_set1_epi32(i);
    for (long round = 0; round < rounds; ++round) {
        asm volatile("" : "+v"(left), "+v"(right));
        for (int i = 0; i < 16; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], left, right);
    }
    for (int i = 1; i < 16; ++i) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
    sink = sink + _mm512_reduce_add_epi32(sums[0]);
}
#else
constexpr double kOperations = 8 * 64;   // 8 registers of 32 products and sums, by way of 16 bits
void multiply(long rounds) {
    __m256i sums[8], left = _mm256_set1_epi8(3), right = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
    for (int i = 0; i < 8; ++i) sums[i] = _mm256_set1_epi32(i);
    for (long round = 0; round < rounds; ++round) {
        asm volatile("" : "+x"(left), "+x"(right));
        for (int i = 0; i < 8; ++i)
            sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(left, right), ones));
    }
    for (int i = 1; i < 8; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
    sink = sink + _mm256_extract_epi32(sums[0], 0);
}
#endif

#if defined(__AMX_INT8__)
constexpr double kTileOperations = 4.0 * 2 * 16 * 16 * 64;   // 4 sums of 16 x 16 x 64 products
bool may_use_tiles() {
    constexpr long kRequest = 0x1023, kTileData = 18;   // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
    return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
void multiply_tiles(long rounds) {
    struct alignas(64) { unsigned char bytes[64]; } config = {};
    config.bytes[0] = 1;
    for (int tile = 0; tile < 8; ++tile) {
        config.bytes[16 + 2 * tile] = 64;
        config.bytes[48 + tile] = 16;
    }
    asm volatile("ldtilecfg %0" : : "m"(config));   // _tile_loadconfig is broken in GCC 12.2, bug 114098
    alignas(64) static thread_local unsigned char values[1024];
    std::memset(values, 1, sizeof values);
    _tile_loadd(4, values, 64);
    _tile_loadd(5, values, 64);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (long round = 0; round < rounds; ++round) {
        _tile_dpbusd(0, 4, 5);
        _tile_dpbusd(1, 4, 5);
        _tile_dpbusd(2, 4, 5);
        _tile_dpbusd(3, 4, 5);
    }
    _tile_stored(0, values, 64);
    sink = sink + values[0];
    _tile_release();
}
#endif

// Ahead: lines are asked for 32 KiB before, into the second cache, and 4 KiB before, into the first.
template <bool Ahead>
void read_all(const char* bytes, size_t count) {
    __m256i sums[8];
    for (auto& sum : sums) sum = _mm256_setzero_si256();
    for (size_t at = 0; at + 256 <= count; at += 256) {
        if (Ahead)
            for (size_t line = 0; line < 256; line += 64) {
                _mm_prefetch(bytes + at + 32768 + line, _MM_HINT_T1);
                _mm_prefetch(bytes + at + 4096 + line, _MM_HINT_T0);
            }
        for (int i = 0; i < 8; ++i)
            sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256((const __m256i*)(bytes + at) + i));
    }
    for (int i = 1; i < 8; ++i) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
    sink = sink + _mm256_extract_epi64(sums[0], 0);
}

void print_bandwidth(double megabytes) {
    constexpr size_t kHuge = 2 << 20;
    constexpr double kSeconds = 0.06, kGuess = 60e9;   // per thread count; the guess only sets the number of rounds
    const size_t bytes = (size_t)(megabytes * 1e6) / 1024 * 1024;
    char* memory = (char*)mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::exit(1);
    char* aligned = (char*)(((size_t)memory + kHuge - 1) & ~(kHuge - 1));
    madvise(aligned, bytes, MADV_HUGEPAGE);
    std::memset(aligned, 1, bytes);
    const int rounds = std::max(2, (int)(kSeconds * kGuess / (double)bytes));
    for (const int threads : {1, 2}) {
        const size_t part = bytes / (size_t)threads / 256 * 256;
        const auto seconds = [&](auto read) {
            return timed(threads, [&](int t) {
                for (int round = 0; round < rounds; ++round) read(aligned + (size_t)t * part, part);
            });
        };
        const double best = std::min(seconds(read_all<false>), seconds(read_all<true>));
        std::printf(",\"gb_s_%g_%d\":%.2f", megabytes, threads, (double)part * threads * rounds / best / 1e9);
    }
    munmap(memory, bytes + kHuge);
}

}  // namespace

int main(int argc, char** argv) {
    constexpr long kRounds = 400000;
    std::printf("{\"processors\":%d", (int)std::thread::hardware_concurrency());
    for (const int threads : {1, 2}) {
        const double seconds = timed(threads, [&](int) { multiply(kRounds); });
        std::printf(",\"int8_gops_%d\":%.1f", threads, kOperations * kRounds * threads / seconds / 1e9);
    }
#if defined(__AMX_INT8__)
    if (may_use_tiles())
        for (const int threads : {1, 2}) {
            const double seconds = timed(threads, [&](int) { multiply_tiles(kRounds / 8); });
            std::printf(",\"amx_gops_%d\":%.1f", threads, kTileOperations * (kRounds / 8) * threads / seconds / 1e9);
        }
#endif
    for (int i = 1; i < argc; ++i) print_bandwidth(std::atof(argv[i]));
    std::printf("}\n");
    return 0;
}
