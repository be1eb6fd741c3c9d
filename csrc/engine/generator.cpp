#include "engine/generator.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace sw {

const char* name_of(Ending ending) {
    switch (ending) {
        case Ending::end_token: return "end_token";
        case Ending::stop_string: return "stop_string";
        case Ending::complete: return "complete";
        case Ending::max_tokens: return "max_tokens";
        case Ending::context: return "context";
        case Ending::incomplete: return "incomplete";
        case Ending::cancelled: return "cancelled";
        case Ending::failed: return "failed";
        case Ending::running: break;
    }
    return "running";
}

// A request under way.
struct Generator::Text {
    Text(size_t n, Request r, const Kernels& kernels) : number(n), request(std::move(r)), sampler(request.sampling, kernels), stream(request.stops) {}

    size_t number;
    Request request;
    Sampler sampler;
    TextStream stream;
    PromptLookup lookup;
    std::unique_ptr<State> state;
    std::vector<int32_t> pending;   // tokens that are not in the state yet
    size_t guesses = 0;             // how many of the last of them are only guessed
    const TokenMask* mask = nullptr;
    std::optional<Error> mask_error;
    std::optional<double> mask_seconds;   // what a mask takes, the last ones weighing most

    void compute_mask() {
        const auto start = std::chrono::steady_clock::now();
        try {
            mask = &request.constraint->mask();
        } catch (const Error& error) {
            mask_error = error;
        } catch (const std::exception& error) {
            mask_error = Error("constraint", error.what());
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        mask_seconds = mask_seconds ? 0.75 * *mask_seconds + 0.25 * seconds : seconds;
    }
    bool cancelled = false;
    Result result;

    bool ended() const { return result.ending != Ending::running; }
};

Generator::Generator(Session& session, size_t most_texts) : session_(session), most_texts_(most_texts) {
    if (session.model().spec().classifier) throw Error("wrong_task", "generate needs a model that generates text. This one classifies.");
    if (most_texts < 1 || most_texts > kMostTexts)
        throw Error("bad_argument", "from 1 to " + std::to_string(kMostTexts) + " texts can grow together. Got " + std::to_string(most_texts) + ".");
}

Generator::~Generator() = default;

void Generator::check_prompt(const std::vector<int32_t>& prompt) const {
    const ModelSpec& spec = session_.model().spec();
    if (prompt.empty()) throw Error("empty_input", "a prompt must have at least one token. Got none.");
    if (prompt.size() > (size_t)spec.context)
        throw Error("too_long", "a prompt must have at most " + std::to_string(spec.context) + " tokens. Got " + std::to_string(prompt.size()) + ".");
    session_.check_tokens(prompt.data(), prompt.size());
}

size_t Generator::submit(Request request) {
    request.sampling.check();
    check_prompt(request.prompt);
    for (const std::string& stop : request.stops)
        if (stop.empty()) throw Error("bad_argument", "a stop string must have at least one character. Got an empty one.");
    waiting_.emplace_back(next_number_, std::move(request), session_.model().kernels());
    return next_number_++;
}

void Generator::remember(const std::vector<int32_t>& beginning) {
    check_prompt(beginning);
    Prefix prefix{beginning, session_.make_state()};
    std::vector<float> logits((size_t)session_.model().spec().vocabulary);
    for (size_t done = 0; done < beginning.size();) {
        const size_t count = std::min(kRowsOfPass, beginning.size() - done);
        const bool last = done + count == beginning.size();   // its logits tell whether all are numbers
        session_.extend({{prefix.state.get(), beginning.data() + done, count, last ? Piece::Keep::last : Piece::Keep::none}}, logits.data());
        done += count;
    }
    check_finite(logits.data(), logits.size());
    add_remembered(std::move(prefix));
}

void Generator::add_remembered(Prefix prefix) {
    const auto same = [&](const Prefix& known) { return known.tokens == prefix.tokens; };
    remembered_.erase(std::remove_if(remembered_.begin(), remembered_.end(), same), remembered_.end());
    remembered_.push_back(std::move(prefix));
}

std::vector<uint8_t> Generator::save_remembered() const {
    if (remembered_.empty()) throw Error("bad_argument", "a beginning must be remembered before it is saved. Got none.");
    return remembered_.back().state->save();
}

void Generator::remember_saved(const std::vector<int32_t>& beginning, const uint8_t* bytes, size_t size_bytes) {
    check_prompt(beginning);
    Prefix prefix{beginning, session_.make_state()};
    prefix.state->restore(beginning.size(), bytes, size_bytes);
    add_remembered(std::move(prefix));
}

void Generator::admit() {
    while (!waiting_.empty() && growing_.size() < most_texts_) {
        growing_.splice(growing_.end(), waiting_, waiting_.begin());
        begin(growing_.back());
    }
}

void Generator::begin(Text& text) {
    const std::vector<int32_t>& prompt = text.request.prompt;
    text.state = session_.make_state();
    size_t longest = 0;
    const Prefix* best = nullptr;
    const auto compare = [&](const Prefix& prefix) {
        const size_t most = std::min(prefix.tokens.size(), prompt.size() - 1);   // the last token's logits are needed
        const size_t same = (size_t)(std::mismatch(prompt.begin(), prompt.begin() + (long)most, prefix.tokens.begin()).first - prompt.begin());
        if (same > longest) {
            longest = same;
            best = &prefix;
        }
    };
    std::for_each(remembered_.begin(), remembered_.end(), compare);
    std::for_each(kept_.begin(), kept_.end(), compare);
    if (best) text.state->copy(*best->state, longest);
    text.result.prompt_cached = longest;
    text.pending.assign(prompt.begin() + (long)longest, prompt.end());
    text.lookup.add_reference(text.request.reference);
    for (const int32_t token : prompt) {
        text.sampler.see(token);
        text.lookup.add(token);
    }
    if (!text.request.constraint) return;
    try {
        put(text, {}, text.request.constraint->begin());
        check_room(text);
    } catch (const Error& error) {
        fail(text, error.kind().c_str(), error.what());
    }
}

// Texts that decode come first, so that none waits for another's prompt; prompts share what is left of the pass.
void Generator::plan() {
    constexpr size_t kFew = 16;   // pending tokens of a text that decodes
    pieces_.clear();
    owners_.clear();
    size_t rows = 0, kept = 0;
    for (const bool few : {true, false}) {
        for (Text& text : growing_) {
            if (text.ended() || (text.pending.size() <= kFew) != few || rows == kRowsOfPass) continue;
            Piece piece{text.state.get(), text.pending.data(), std::min(text.pending.size(), kRowsOfPass - rows), Piece::Keep::none};
            if (piece.count < text.pending.size() && text.guesses) continue;   // guesses are checked together
            if (piece.count == text.pending.size()) piece.keep = text.guesses ? Piece::Keep::all : Piece::Keep::last;
            rows += piece.count;
            kept += piece.kept();
            pieces_.push_back(piece);
            owners_.push_back(&text);
        }
    }
    logits_.resize(kept * (size_t)session_.model().spec().vocabulary);
}

// While the pass runs; or before it, where waking a thread, and taking a core from the pass, costs more than the masks.
void Generator::ask_for_masks() {
    constexpr double kWorthThread = 50e-6;   // seconds
    std::vector<Text*> masked;
    double seconds = 0;
    for (size_t i = 0; i < pieces_.size(); ++i) {
        if (!owners_[i]->request.constraint || pieces_[i].keep == Piece::Keep::none) continue;
        masked.push_back(owners_[i]);
        seconds += owners_[i]->mask_seconds.value_or(kWorthThread);
    }
    const auto compute = [masked] {
        for (Text* text : masked) text->compute_mask();
    };
    if (seconds < kWorthThread) return compute();
    if (!background_) background_ = std::make_unique<Background>();
    background_->start(compute);
}

bool Generator::step() {
    admit();
    plan();
    const bool alone = pieces_.size() == 1 && pieces_[0].count == owners_[0]->guesses + 1;
    const size_t guesses = alone ? owners_[0]->guesses : 0, before = alone ? owners_[0]->result.tokens.size() : 0;
    const auto start = std::chrono::steady_clock::now();
    if (!pieces_.empty()) {
        ask_for_masks();
        std::optional<Error> error;
        try {
            session_.extend(pieces_, logits_.data());
        } catch (const Error& e) {
            error = e;
        } catch (const std::bad_alloc&) {
            error = Error("out_of_memory", "the system has not enough memory for this request.");
        }
        if (background_) background_->wait();
        float* logits = logits_.data();
        for (size_t i = 0; i < pieces_.size(); ++i) {
            Text& text = *owners_[i];
            if (error) fail(text, error->kind().c_str(), error->what());
            else if (pieces_[i].keep == Piece::Keep::none) text.pending.erase(text.pending.begin(), text.pending.begin() + (long)pieces_[i].count);
            else read(text, logits);
            logits += pieces_[i].kept() * (size_t)session_.model().spec().vocabulary;
        }
    }
    if (alone && !owners_[0]->ended()) {
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        guessing_pays_.learn(seconds, guesses, owners_[0]->result.tokens.size() - before);
    }
    for (auto text = growing_.begin(); text != growing_.end();) {
        if (text->cancelled && !text->ended()) finish(*text, Ending::cancelled);
        if (text->ended()) {
            if (text->request.keep && text->result.ending != Ending::failed) keep(*text);
            else session_.give_back(std::move(text->state));
            ended_.emplace_back(text->number, std::move(text->result));
            text = growing_.erase(text);
        } else {
            ++text;
        }
    }
    for (Text& text : growing_) guess(text);
    return !growing_.empty() || !waiting_.empty();
}

Result Generator::run(Request request) {
    const size_t number = submit(std::move(request));
    while (step()) continue;
    return take_result(number);
}

// The text's last token, or tokens, have passed: chooses what follows.
void Generator::read(Text& text, float* logits) {
    const size_t vocabulary = (size_t)session_.model().spec().vocabulary, guesses = text.guesses;
    const std::vector<int32_t> guessed(text.pending.end() - (long)guesses, text.pending.end());
    const size_t certain = text.state->length() - guesses;
    text.result.guessed += guesses;
    for (size_t r = 0; r <= guesses; ++r) {
        text.pending.clear();
        text.guesses = 0;
        if (!choose(text, logits + r * vocabulary)) return text.state->truncate(certain + r);
        if (r < guesses && text.pending.size() == 1 && text.pending[0] == guessed[r]) {
            ++text.result.guessed_right;
            continue;
        }
        text.state->truncate(certain + r);
        break;
    }
    check_room(text);
}

void Generator::check_room(Text& text) {
    if (text.ended() || text.state->length() + text.pending.size() <= (size_t)session_.model().spec().context) return;
    finish(text, text.request.constraint ? Ending::incomplete : Ending::context);
}

// The next token, and those that a constraint forces after it. Returns false when the text has ended.
bool Generator::choose(Text& text, float* logits) {
    const int32_t vocabulary = session_.model().spec().vocabulary;
    Constraint* const constraint = text.request.constraint.get();
    try {
        check_finite(logits, (size_t)vocabulary);
        if (text.mask_error) throw *text.mask_error;
        std::vector<float> untouched;
        if (text.request.likelihoods) untouched.assign(logits, logits + vocabulary);
        const int32_t token = text.sampler.next(logits, vocabulary, constraint ? text.mask : nullptr);
        if (text.request.likelihoods) text.result.likelihoods.push_back(text.sampler.likelihood(untouched.data(), vocabulary, token));
        if (token == session_.model().tokenizer().end_token()) {
            if (text.request.likelihoods) text.result.likelihoods.pop_back();
            finish(text, constraint ? Ending::complete : Ending::end_token);
            return false;
        }
        put(text, {token}, constraint ? constraint->take(token) : Constraint::Forced{});
    } catch (const Error& error) {
        fail(text, error.kind().c_str(), error.what());
    }
    return !text.ended();
}

// What was chosen, and what is forced after it, becomes pending and text, until the text ends.
void Generator::put(Text& text, std::vector<int32_t> tokens, const Constraint::Forced& forced) {
    Result& result = text.result;
    const size_t chosen = tokens.size();
    tokens.insert(tokens.end(), forced.tokens.begin(), forced.tokens.end());
    Constraint* const constraint = text.request.constraint.get();
    for (size_t i = 0; i < tokens.size() && !text.ended(); ++i) {
        const int32_t token = tokens[i];
        text.pending.push_back(token);
        result.tokens.push_back(token);
        text.sampler.see(token);
        text.lookup.add(token);
        if (i >= chosen) {
            ++result.forced;
            if (text.request.likelihoods) result.likelihoods.push_back({});   // certain
        }
        const std::string piece = text.stream.push(session_.model().tokenizer().decode_token(token));
        result.text += piece;
        const bool last = i + 1 == tokens.size(), full = result.tokens.size() == (size_t)text.request.sampling.max_tokens;
        if (text.request.on_text && !text.request.on_text(piece, token)) finish(text, Ending::cancelled);
        else if (text.stream.stopped()) finish(text, constraint ? Ending::incomplete : Ending::stop_string);
        else if (full && !constraint) finish(text, Ending::max_tokens);
        else if (full) finish(text, last && (forced.over || constraint->whole()) ? Ending::complete : Ending::incomplete);
    }
    if (forced.over && !text.ended()) finish(text, Ending::complete);
}

void Generator::guess(Text& text) {
    if (!text.request.lookup || text.request.constraint || growing_.size() > 1 || text.pending.size() != 1 || text.guesses || !guessing_pays_.now()) return;
    const size_t left = (size_t)text.request.sampling.max_tokens - text.result.tokens.size();   // tokens that are still asked for
    const size_t room = (size_t)session_.model().spec().context - text.state->length() - 1;
    const std::vector<int32_t> guessed = text.lookup.guess(std::min({guessing_pays_.most(), left > 0 ? left - 1 : 0, room}));
    text.guesses = guessed.size();
    text.pending.insert(text.pending.end(), guessed.begin(), guessed.end());
}

// What is in the state: the prompt, and all of the text but perhaps its last tokens.
void Generator::keep(Text& text) {
    std::vector<int32_t> tokens = text.request.prompt;
    tokens.insert(tokens.end(), text.result.tokens.begin(), text.result.tokens.end());
    tokens.resize(std::min(tokens.size(), text.state->length()));
    kept_.push_back({std::move(tokens), std::move(text.state)});
    if (kept_.size() <= kMostKept) return;
    session_.give_back(std::move(kept_.front().state));
    kept_.pop_front();
}

void Generator::finish(Text& text, Ending ending) {
    text.result.ending = ending;
    const std::string rest = text.stream.finish();
    if (rest.empty()) return;
    text.result.text += rest;
    if (ending != Ending::cancelled && text.request.on_text) text.request.on_text(rest, -1);
}

void Generator::fail(Text& text, const char* kind, const char* message) {
    text.result.ending = Ending::failed;
    text.result.error_kind = kind;
    text.result.error = message;
}

Result Generator::take_result(size_t number) {
    const auto found = std::find_if(ended_.begin(), ended_.end(), [number](const auto& entry) { return entry.first == number; });
    if (found == ended_.end()) throw Error("bad_argument", "only a text that has ended has a result. Got number " + std::to_string(number) + ".");
    Result result = std::move(found->second);
    ended_.erase(found);
    return result;
}

std::vector<size_t> Generator::ended() const {
    std::vector<size_t> numbers;
    for (const auto& [number, result] : ended_) numbers.push_back(number);
    return numbers;
}

void Generator::cancel(size_t number) {
    for (std::list<Text>* texts : {&waiting_, &growing_})
        for (Text& text : *texts)
            if (text.number == number) text.cancelled = true;
}

}  // namespace sw
