// Rows of tokens on their way through a plan together: whose they are, and the buffers they move through.
// Enters: tokens, already checked. Leaves: logits. Not here: what the operations do (operations, attention).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.h"
#include "engine/threads.h"

namespace sw {

struct Counters {
    uint64_t weight_bytes_read = 0, tokens = 0, head_rows = 0, passes = 0, kv_bytes = 0, pair_rows = 0;
    uint64_t product_ns = 0;   // of operations that multiply weights, where a session times them
};

class State;

struct Sequence {
    State* state = nullptr;     // of a text that goes on; null: a whole text, forgotten afterwards. In a pass all or none have one.
    size_t row = 0, rows = 0;   // of the pass; after the selection, those that are kept
    size_t past = 0;            // tokens in the state before the pass
    size_t length = 0;          // with those of the pass
    size_t start = 0;           // without a state: where its keys begin in the scratch, a multiple of 16
};

class Pass {
public:
    // rounds: quantised weights are multiplied by rows rounded to bf16 (kernels.h: rounded_products).
    Pass(const Model& model, int threads, bool rounds);

    const Model& model;
    const Kernels& kernels;
    Threads threads;
    Counters counters;

    // What goes through. Whoever begins a pass sets these, then calls prepare.
    std::vector<int32_t> tokens;      // of every row
    size_t rows = 0;
    std::vector<Sequence> sequences;
    std::vector<int32_t> positions;   // of every row
    std::vector<size_t> keep;         // the rows that reach the head
    float* logits = nullptr;
    std::vector<int> owner;           // the sequence of every row

    void clear();                                                     // no rows
    void add(const Sequence& sequence, const int32_t* first_token);   // its rows come next
    void prepare();                                                   // memory for the rows
    size_t longest() const;                   // tokens of the longest sequence

    float* slot(Slot slot) const { return slot == Slot::logits ? logits : slots_[(int)slot]; }
    size_t stride(Slot slot) const { return (size_t)model.plan().widths[(int)slot]; }
    Rows rows_of(Slot from, Codes codes) const;
    // Columns [begin, begin + count) of a row, to the codes that `op` fills: whole blocks, or all that is left of whole spans.
    void quantize_row(const Operation& op, const float* x, size_t row, size_t begin, size_t count);
    void move_row(Slot slot, size_t from, size_t to);
    void move_row(Codes codes, size_t from, size_t to);

    // Shares out `units` of work in even runs: f(begin, end, thread).
    template <class F>
    void run_even(int units, F&& f) {
        constexpr int kTasksOfThread = 4;   // what others can take from a thread that does not run
        const int count = threads.count(), tasks = count == 1 ? 1 : units < count * kTasksOfThread ? units : count * kTasksOfThread;
        threads.run(tasks, [&](int task, int thread) {
            f((int)((int64_t)units * task / tasks), (int)((int64_t)units * (task + 1) / tasks), thread);
        });
    }

    // Where the units of run_even end that `thread` begins with, if those up to `end` are of them; else `end`.
    int last_of_share(int units, int end, int thread) const {
        const int64_t begin = (int64_t)units * thread / threads.count(), last = (int64_t)units * (thread + 1) / threads.count();
        return end > begin && end <= last ? (int)last : end;
    }

    // A thread's own numbers between two products: at least `floats`, the same place until more are asked for.
    void reserve_scratch(size_t floats);
    float* scratch(int thread) const { return scratch_[thread].as<float>(); }

private:
    struct CodeRows {
        int8_t* q = nullptr;
        uint16_t* bf16 = nullptr;   // instead, where rows are rounded
        float* scale = nullptr;
        int32_t *offset = nullptr, *half = nullptr;
    };
    const bool rounds_;
    size_t row_capacity_ = 0;
    Buffer arena_;
    float* slots_[(int)Slot::count] = {};
    CodeRows codes_[(int)Codes::count];
    std::vector<Buffer> scratch_;
};

}  // namespace sw
