"""Sentence frames about scenes and the shopping list.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: single lamps and blinds.
The border: leaving, coming and bedtime said alone are scenes; as a reason they leave the intent as it was.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

SCENE_ACTIVATE = IntentFrames(
    commands="""
(activate|start|set|turn on|switch to|enable|put on|go into|go to|trigger|run|begin|use|apply|engage|load) {thescene} *9
(put|set|switch) (the house|the {room}|the room|everything|it|the place) (in|to|into) {scene} mode *7
(switch|change) (the house|the {room}|the room|the place|the house over) to {scene} (mode|scene|settings) *4
(set|create|get|do|make) (the|a|some) (mood|scene|ambience|atmosphere|vibe|stage) [for (a|the) {scenefor}] *8
set the (mood|scene|atmosphere|ambience) *4
set (the {room}|the house|the room|things|everything|the place) up for {activity} *7
(prepare|get|make|ready) (the {room}|the house|the room|everything|the place) [ready] for {activity} *8
(get|make|put) (the house|everything|the place) (ready for (bed|the night|sleep|us leaving|when we're away|\
christmas morning|the day)) *5
make (it|the {room}|the room|the house) (cosy|cozy|romantic|festive|spooky|relaxing|like a cinema|like \
a movie theater|party ready|nice for dinner|snug|christmassy) [{where}|for tonight] *7
(make|create) a (cosy|romantic|relaxing|festive|spooky|calm|party|cinema|chilled) (atmosphere|mood|vibe|feel|ambience|\
setting) [{where}] *7
(put|get|shut) the house (to bed|to sleep|down for the night) *5
(shut|close) (everything|the house) down for the night *4
start [my|the|our] ({scene} routine|bedtime routine|morning routine|leaving routine|night routine|evening routine) *6
(run|do|start|play) the ({scene} routine|bedtime thing|good night routine|going out routine|movie thing|\
usual evening setup) *6
get (us|me) in the mood for {activity} *3
get the party (started|going|mode on) *4
turn (the living room|this room|the den|my room) into a (cinema|movie theater|disco|nightclub|spa|dance floor|\
haunted house) *6
let's (do|have|start|go with|try) (the|a|our) {scene} (mode|scene|night|setting|mood) *6
let's (get cosy|watch a movie|have a movie night|party|get romantic|get ready for bed|call it a night|wind down|\
start the day) *7
cinema mode (now|on|in the {room}) *2
wake the house up *3
welcome (me|us|our guests) (home|back) *4
(do|start|give me) the (usual|) {scene} (thing|scene|set up|vibe) *2
get (the|our) (home|house|flat) (christmassy|ready for the party|ready for visitors|cosy for tonight) *3
""",
    needs="""
(i'm|we're) (leaving|heading out|off|going out|leaving now|off to work|going to work|going shopping|out of here|\
leaving the house|popping out|on our way out|off for the day|going on holiday|off on vacation) [now|bye|see you later|\
see you tonight|for the day|for a week] *9
(i'm|we're) (home|back|back home|home from work|finally home|home again|here|in) [now|hello|everyone] *7
(i'm|we're) (going to bed|off to bed|turning in|going to sleep|heading to bed|hitting the hay|hitting the sack|\
calling it a night|going up to bed|ready for bed|off to sleep|ready to sleep) [now|goodnight|good night|\
see you tomorrow] *9
(we're|i'm) (about to watch|going to watch|watching|sitting down to|settling in for) (a movie|a film|a dvd|\
movie night|the film) [now|in the {room}|together] *8
(we're|i'm) (having|hosting|throwing) (a party|a dinner party|a romantic dinner|a date|guests for dinner|\
a birthday party|a movie night|friends over for games|a sleepover) [tonight|this evening|now] *7
(my|a) (date|girlfriend|boyfriend|wife|husband|crush) is coming (over|for dinner|round) (tonight|in a minute|\
soon)[, set the mood|, make it romantic|, something romantic] *5
it's (movie night|date night|bedtime|time for bed|party time|movie time|story time|nap time|bath time|time to relax|\
game night|our anniversary|time to wake up|film night|time to wind down|story time for {kid}|time for a film|\
christmas morning|reading time) *9
(time|it's time) (for (a film|bed|a movie|the movie|the party|our movie|story time|dinner by candlelight|yoga)|\
to (relax|unwind|wind down|party|get cosy|sleep|study|focus|watch a film|chill)) *7
i (want|need|would like|'d like) to (relax|unwind|wind down|chill out|focus|concentrate|meditate|do yoga|\
have a cosy evening|get in the party mood|watch a movie) [{where}|for a while|tonight] *7
(i|we) (want|need|would like|fancy) (a|something|a bit of) (cosy evening|romantic evening|quiet night in|romantic|\
cosy|party atmosphere|relaxing atmosphere|spooky mood|cinema feeling|festive mood) [{where}] *6
i'd like (the {scene} (scene|mode|setting)|{scene} mode) *5
i (just got|have just got|'ve just come|just came|just walked) (home|in|in the door|back from work|home from work|\
back from holiday) *5
(everyone's|the guests are|our guests are) (arriving|here|coming) (for the party|for dinner|for movie \
night), party mode *2
the (movie|film)'s (about to start|starting|ready|on in a minute) *5
the (party|fun) (is about to start|starts now|can begin) *3
i'm (about to|going to) (study, focus mode|meditate, set the mood|do yoga, yoga mode|work, focus mode) *2
i'm (exhausted|knackered|shattered|so tired|really sleepy), (goodnight|good night|i'm off to bed|bedtime) *4
{kid} is (ready for|going to) (bed|sleep), (bedtime mode|do the bedtime scene|goodnight scene) *3
see you (tomorrow|in the morning|tonight|later|next week), (house|goodnight|i'm leaving|we're off) *4
i'm (done|finished) for (the day|today|tonight), good night *3
dinner for two [tonight|please|by candlelight] *3
we have the house to ourselves tonight, make it romantic *2
popcorn's ready, (movie time|film time|start movie mode) *3
(right|well) that's me (off to bed|off to work|off|done for the night|going out) *3
we're (away|gone) (for the weekend|until sunday|for a few days), see you *2
(the kids|{kid}) (need|needs) to (wind down|settle down|go to sleep now), bedtime *2
it's our (anniversary|first date|wedding anniversary), (something romantic|make it special|set the mood) *2
off (out|shopping|to the gym|to school|to town), (bye|see you|back later) *3
i'm (up|awake), good morning *2
time to (hit the sack|turn in|go out|leave for work|get cosy|start the party) *3
""",
    fragments="""
{thescene} [please|on|now] *8
{scene} mode [on|please|in the {room}] *6
{scene} (time|scene|mood|routine) [please] *5
good night [everyone|house|all|then|home|sweet dreams] *6
(goodnight|nighty night|night night|sleep tight|sweet dreams|night) [house|everyone|all] *5
good morning [house|everyone|everybody|all|home] *5
(morning|rise and shine|wakey wakey) [house|everyone] *3
(bye|goodbye|bye bye|see you|see ya|cheerio|ta-ta|toodle-oo) [house|everyone|i'm off|we're off|i'm leaving|for now|\
later] *5
(honey i'm|hello i'm|daddy's|mummy's|hi we're) home *3
(bedtime|bed time|movie time|film time|party time|nap time|story time|date night|movie night) [please|everyone|kids|\
in the {room}] *6
netflix and chill *2
mood for (a|the) {scenefor} *2
something (romantic|cosy|festive) for tonight *4
romantic (mood|dinner|evening|atmosphere|vibes) [please] *4
(cosy|cozy) (evening|night|vibes|mood|night in) [please] *4
off to bed [now] *3
off to work [now] *3
leaving [now|the house|home] *3
(can|could) (i|we) (have|get) (the {scene} (scene|mode|mood|setting)|{scene} mode|movie mode|a romantic mood|\
a cosy atmosphere) [{where}] *6
how about (movie mode|a cosy atmosphere|some romance|{scene} mode|the {scene} scene) *4
mind (starting|setting|switching to|activating) (the {scene} scene|{scene} mode|movie mode) *4
any chance of (a cosy mood|movie mode|the {scene} scene|some party vibes) *3
""",
    reasons="""
the film's about to start
my date is coming
guests are arriving
the kids are tired
it's our anniversary
we've got popcorn
it's been a long day
""",
)

SHOPPING_ADD = IntentFrames(
    commands="""
(add|put|stick|pop|get|write|bung|chuck|whack|throw|include|note|log|jot) {items} (on|to|onto|down on) {list} *9
(add|put|stick|pop) {items} (on|to) {list} *7
(add|put) [down] {items} [please|too|as well|for me] *5
(add|put) {amount} {item} (on|to) {list} *5
(put|stick|get) {items} on there *2
(put|write|jot|mark|note|scribble) down {items} [on {list}|for the shopping|for {shop}|for the weekly shop] *6
(buy|get|pick up|order|grab) [some|more] {items} (from {shop}|next time|when we go shopping|at {shop}|\
next time we're at {shop}|this week|tomorrow) *6
(remember|remind me|don't forget|don't let me forget|make sure i remember) (to buy|to get|to pick up|we need|\
to order) {items} [from {shop}|at {shop}|when i'm at {shop}] *7
don't forget [the|to get] {items} [from {shop}|this week|on {list}] *5
(make a note|take a note|make a note) (to buy|that we need|to get|we're out of|for) {items} *5
(order|buy|get) (some more|more|another|some) {item} *6
(add|put) (a few things|some things|a couple of things) (to|on) {list}, {items} *3
(update|expand) {list} with {items} *2
(add|put) {item} to {list}, no wait, {item} *2
(add|put) {item} and also {item} (on|to) {list} *3
let's (add|put|get|buy) {items} [on {list}] *3
include {items} in (the weekly shop|the next order|the next grocery order|the shopping) *4
(stock up on|restock) {item} *3
(add|put) stuff for (tacos|breakfast|sandwiches|a salad|a barbecue|lasagne|pancakes) (to|on) {list}, (like {items}|\
{items}) *2
get some {item} in *2
(put|bung) us down for {items} *2
""",
    needs="""
(we're|i'm|we are) [all|almost|nearly|completely|just about] out of {items} *9
(we've|i've|we) (run|ran|are running|have run) out of {items} *8
(we're|i'm) (running|getting|very|really) (low on|short of|short on) {items} *7
(we|i) (need|need to get|need to buy|need some more|need more|need some) {items} [for (tomorrow|the weekend|dinner|\
the cake|the party|breakfast|school lunches)] *9
(we|i) (should|must|have to|ought to|could do with|gotta) (buy|get|pick up|grab|order) [some|more] {items} [this week|\
soon|from {shop}] *8
(there's|there is) (no|hardly any|no more|only a little|barely any|not much) {item} (left|in the fridge|\
in the cupboard|in the house|in the pantry|left in the tin) *8
there (isn't|aren't|is not) any [more] {item} [left|in the fridge] *5
(we|i) (don't have|haven't got|haven't|have no) any [more] {item} [left|in] *6
(i|we|{kid}|someone|the kids) (just|) (used up|finished|ate|drank|used|finished off) the (last of the|last|\
last bit of|rest of the|end of the) {item} *8
{kid} (ate|drank|finished|used) all the {item} *5
(the|our) {item} (is|has|are|have) (all gone|nearly gone|run out|finished|almost finished|empty|used up|gone off|\
almost gone|out of date) *7
that (was|is) the last (of the|) {item} *4
(i want|i'd like|i need|we want) {items} on {list} *6
(i'd|we'd) like to add {items} [to {list}] *5
(i|we) could (do with|use) [some|some more|more] {items} *5
(i'm|we're) (making|cooking|baking) (pancakes|lasagne|a cake|curry|tacos) and (need|we need|have no|\
there's no) {item} *4
{people} (wants|needs|asked for|would like|is asking for) {item} from {shop} *4
{people} (needs|wants) (more|new|some more) {item}, (put it on the list|add it to the list|add them) *3
next time (i'm|we're|you're) at {shop} (i|we|you) need {items} *4
i (keep forgetting|always forget|forgot) (to buy|the|to get) {item}[, put it on the list|, add it] *4
the (fridge|cupboard) is empty, (we need|add|get) {items} *3
{item} (should|needs to|has to|must) (be|go) on {list} *5
i'm going to {shop}, (add|put down|note) {items} *3
i'm making a list, {items} *2
(the dog|the cat|{kid}|the kids) (has|have) (eaten|drunk|finished) (all|) the {item}[, get more|, put \
some on the list|, we need more] *3
i (used|had|ate|drank) the last (of the|) {item} *3
we've (no|got no|hardly any|only one bit of) {item} [left|in] *4
we're (one|a bit) short of {item} *2
can't (bake|cook|make tea|make pancakes) without {item}, (we're out|put it on the list|add some) *2
""",
    fragments="""
{items} (on|to|for) {list} *8
(shopping list|grocery list|list|groceries|shopping) {items} *6
{amount} {item} [please] [on {list}] *3
more {item} [please|on {list}] *5
need {items} *6
no (more|) {item} left *5
out of {items} *5
(low on|no) {item} *3
also {items} [on {list}] *2
and {items} [too|as well] on {list} *2
buy {items} *5
get {items} [from {shop}] *3
can (i|we|you) (add|get|put|have) {items} (on|to|onto) {list} *5
could (you|we) (add|put|stick|pop) {items} (on|to) {list} *5
mind (adding|putting|sticking) {items} (on|to) {list} *3
how about (adding|putting) {items} (to|on) {list} *2
is {item} on {list}, if not add it *2
{item} please, we're out *3
{items}, that's for {list} *2
""",
    reasons="""
we're (all out|nearly out|running low)
i'm baking (a cake|tomorrow)
the kids ate it all
there's none left
i keep forgetting
{kid} finished it
guests are coming
""",
)

FRAMES: dict[str, IntentFrames] = {
    "scene_activate": SCENE_ACTIVATE,
    "shopping_add": SHOPPING_ADD,
}
