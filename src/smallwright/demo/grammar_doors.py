"""Sentence frames about locks.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: asking whether a door is locked.
The border: a door for people is locked and unlocked, what moves by motor is opened and closed.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

DOOR_LOCK = IntentFrames(
    commands="""
lock {thedoor} *9
(lock|bolt|secure|deadbolt|latch|lock up) {thedoor} [up|behind me|for the night|now] *6
(make sure|ensure|double check) {thedoor} (is locked|gets locked|is locked tonight|is bolted) [and if not lock it|\
please] *3
lock up [the house|everything|for the night|downstairs|the place|behind me|after us|the flat|the shop] *6
(lock|lock up) (the house|everything|the place|my flat|the apartment|the whole house|the entrance|all entrances) [up|\
down] [for the night] *5
lock (me|us) in [for the night] *2
lock (it|that door|this door) [behind (me|{people}|him|them)] *3
(lock|bolt) (all the doors|every door|the doors|both doors|the front and back|front and back) [downstairs|for tonight|\
please] *5
(put|slide|throw|set|engage|activate) the (deadbolt|bolt|lock|latch|door lock|smart lock|chain) [on|\
across] [on {thedoor}] *5
(put|have) the lock on [{thedoor}] *2
(get|keep|leave) {thedoor} locked [tonight|while i'm out|all day] *4
(re-lock|relock) {thedoor} *3
shut and lock {thedoor} *2
close and lock {thedoor} *2
(don't leave|never leave) {thedoor} unlocked [overnight|all night] *3
turn the (key|lock|deadbolt) (on|in) {thedoor} *2
set the lock on {thedoor} *2
switch the lock on {thedoor} to locked
(go|go and) lock {thedoor} *2
lock {thedoor} (at {clock}|in {min_n} minutes|when i leave|after {people} (leaves|comes in)) *3
keep (everyone|strangers|people) out, lock {thedoor} *2
unlock no sorry lock {thedoor}
lock not unlock {thedoor}
remember to lock {thedoor}
(double lock|lock tight|lock and bolt) {thedoor} *2
don't let (anybody|anyone|strangers|burglars) (in|come in) through {thedoor}, (lock it|bolt it) *2
""",
    needs="""
(i|we|i think i|{kid}) forgot to lock {thedoor} *6
(i|we|i think i|{kid}|someone|i may have) left {thedoor} unlocked *6
i (didn't lock|haven't locked|never locked) {thedoor} *4
{thedoor} (is|are|was left) (unlocked|not locked|still unlocked|not locked yet) [lock it|please lock it|fix that] *6
{thedoor} (needs|need) (locking|to be locked|to be bolted) [up|for the night] *5
{thedoor} (should|must|has to) be locked [at night|by now|at all times] *5
(i|we) (want|need|would like|'d like) {thedoor} (locked|bolted|to be locked|secured) [tonight|now] *6
(everyone's|we're all|the kids are all|everybody is) (in|home|inside), (lock up|you can lock the door|lock the doors) *4
(i'm|we're) (in|home|inside) [now], (lock the door|lock up|lock it behind me) *4
(i'm|we're) (off|out|heading out), lock (the door|up|the front door behind me) *3
{people} (has|have|just) (gone|left|gone home), (lock|bolt) {thedoor} *3
you can lock {thedoor} [now] *4
i don't (feel safe|trust the neighbourhood) with {thedoor} unlocked *3
i'd feel (safer|better) (with|if) {thedoor} (locked|was locked|were locked) *3
i heard (a noise|something|footsteps) outside, lock (the doors|{thedoor}|everything) *3
(nobody|no one) should (get in|be able to get in|come in through {thedoor}) [lock up|lock it] *2
don't let anyone in, lock (it|the door) *2
the lock on {thedoor} (is|was left) open, lock it *2
i don't want anyone walking in *2
i don't want {thedoor} (left unlocked|unlocked overnight|to be unlocked) *2
it's late, (lock up|get the doors locked|{thedoor} should be locked) *2
{people} will run out if {thedoor} isn't locked
(make sure|see that) (nobody|no one|no stranger) can (get|come|walk) in (through|by|at) {thedoor} *2
has (anyone|somebody) locked {thedoor}, if not (do it|please do|lock it now) *2
it's (after dark|ten o'clock|bedtime), {thedoor} should be locked *2
i'm (home alone|on my own tonight), (lock everything|lock the doors|bolt {thedoor}) *2
(he|she|{kid}|everybody) is (in|home) now so lock (it|{thedoor}|up) *2
""",
    fragments="""
{thedoor} lock *2
(doors|front door|back door|garage) (locked|lock) please *4
lock (front|back|side|all) doors *3
lock door *3
locks on *3
all (doors|locks) locked *2
deadbolt on *2
{thedoor} to locked *2
(everything|all) locked up please *2
can (i|we) (have|get) {thedoor} locked *4
can {thedoor} be locked *2
could {thedoor} be (locked|bolted) *2
mind (locking|bolting) {thedoor} *3
any chance you could lock {thedoor} *2
is it possible to lock {thedoor} [from here|remotely] *2
how about locking {thedoor} *2
time to lock up *2
bolt on {thedoor} *2
""",
    reasons="""
i'm (going to bed|leaving|in now|home alone)
we're all (in|home)
{people} (is*4|are) (in|asleep|out playing)
it's (late|night|getting dark)
i forgot
i don't feel safe
i heard a noise
i'm already in the car
""",
)

DOOR_UNLOCK = IntentFrames(
    commands="""
unlock {thedoor} *9
unlock {thedoor} (for {visitor}|for me|so {caller} can get in|when {caller} arrives|, {caller} is here) *7
(unbolt|unlatch|undo) {thedoor} *4
undo the (lock|bolt|deadbolt|latch) [on {thedoor}] *4
(open|release|disengage|take off|remove|slide back|pop) the (lock|bolt|deadbolt|latch|door lock|smart \
lock) [on {thedoor}] *6
(take|get) the (lock|bolt|deadbolt|chain) off [{thedoor}] *4
let {visitor} in [please|the front|through {thedoor}|the house] *8
let (me|us) in [please|the house|i forgot my key|i forgot my keys] *6
buzz {visitor} (in|up) *4
(open|open up) the (front door|door|back door|side door) (for {visitor}|to let {visitor} in|it's {caller}|\
so {caller} can get in) *6
open up, (it's me|i'm home|i'm outside|it's {kid}) *3
(leave|keep) {thedoor} unlocked [for {visitor}|until {people} gets home|today] *5
(make sure|ensure) {thedoor} is (unlocked|not locked|open for {visitor}) *3
give {visitor} access [to the house|through {thedoor}] *3
grant {visitor} access
let the (dog|cat) out, unlock the back door *2
allow {visitor} (in|to come in|inside) *3
set {thedoor} to unlocked *2
switch the lock on {thedoor} to unlocked
(don't lock|don't keep locked) {thedoor}[, {caller} is still out|, leave it unlocked] *3
lock no sorry unlock {thedoor}
unlock not lock {thedoor}
unlock (the house|everything|the place|my flat|the building|the entrance) *4
unlock (all the doors|both doors|every door|front and back) *3
unlock {thedoor} (at {clock}|in {min_n} minutes|when i get home|once {caller} gets here) *3
(get|open) the door for {visitor}, (it's locked|unlock it) *2
(take|slide) the (latch|bolt|chain|snib) off [{thedoor}] *2
""",
    needs="""
{caller} (is*4|are) (at the door|here|outside|waiting outside|downstairs|at the gate|ringing the bell|on the doorstep|\
knocking)[, let (him|her|them) in|, open up|, unlock it] *9
{caller} (can't get in|is locked out|has no key|forgot the key|needs to get in|needs to come in|wants to come in|\
is coming, leave it unlocked) *7
i'm (locked out|stuck outside|at the door|standing outside|outside and i forgot my key|locked out of the house|\
outside in the rain|standing on the doorstep) *8
i (forgot|lost|left|can't find|don't have) my (key|keys) [inside|at work|and i'm outside|and can't get in] *6
my hands are full, (open|unlock) the (door|front door) *4
i've got (my hands full|shopping bags in both hands|the groceries|the baby in my arms), (unlock|can you unlock|\
get) the door *4
i (want|need|would like) {thedoor} (unlocked|unbolted|not locked) [for {visitor}|please] *5
(i'd|we'd) like {thedoor} unlocked [please|for {visitor}] *3
i (want|need) to (get in|come in|go out the back|get into the {room}|get out through {thedoor}) *4
i can't (get in|get the door open|get into the house|get out, it's locked) *4
the door (is locked and i'm outside|won't open, it's locked|locked behind me|is locked, unlock it) *4
{thedoor} (needs|has) to be unlocked [for {visitor}] *4
{thedoor} should be unlocked [for {visitor}|during the day|by {clock}] *3
{thedoor} (is|shouldn't be) locked, (undo it|unlock it|let me in|open it up for me) *3
we're (home|back) [and the door's locked], (let us in|unlock the door|open the lock) *3
i'm (home|back|nearly home|pulling into the drive), unlock (the door|{thedoor}) *4
{caller} (is*4|are) coming (over|round|by) (and|so) {thedoor} (needs to be|should be) unlocked *3
you can (unlock|unbolt) {thedoor} [now] *3
i don't need {thedoor} locked [anymore|any more] *2
someone locked me out *2
the (kids|children) are home from school and can't get in *2
{caller} (is|has been) (standing|waiting|freezing) (out there|outside|on the step|in the rain) [let them in] *3
(that's|it's) {caller} at the door[, open up|, let them in|, unlock it] *3
there's (someone|a delivery|a parcel|a courier) (at|for me at) the (front door|door), (let them in|unlock it) *2
i (shut|locked) myself out *2
i've got no (key|keys) [on me|with me] *2
i (just|) got to the door, (unlock it|unlock please|open the lock) *2
""",
    fragments="""
{thedoor} unlock *2
unlock *2
unlock (front|back|side) door *3
unlock door *3
{thedoor} unlocked please *3
(lock|bolt|deadbolt) off [on {thedoor}] *3
{thedoor} to unlocked *2
can (you|we) let {visitor} in *5
could you let {visitor} in *4
can (i|we) (have|get) {thedoor} unlocked *3
can {thedoor} be unlocked *2
mind (unlocking|unbolting) {thedoor} *3
mind letting {visitor} in *3
any chance you could (unlock {thedoor}|let {visitor} in) *3
is it possible to unlock {thedoor} [from here|remotely] *2
can i get in *2
let me in it's (cold|raining|freezing) out here *3
""",
    reasons="""
{caller} (is*4|are) (here|outside|at the door|on the way|coming)
i forgot my (key|keys)
my hands are full
i'm (outside|locked out|nearly home|at the door)
the dog needs to go out
""",
)

FRAMES: dict[str, IntentFrames] = {
    "door_lock": DOOR_LOCK,
    "door_unlock": DOOR_UNLOCK,
}
