"""Sentence frames about what opens and shuts by motor: blinds, curtains, shutters, awnings, garage doors.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: locks.
The border: sun that is wanted opens, sun in the eyes closes; an awning that goes out opens.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

COVER_OPEN = IntentFrames(
    commands="""
open {thecover} *9
open [up] {thecover} [{bit}|halfway|all the way|to {pct}|fully|wide] *6
(raise|lift|pull up|roll up|draw back|pull back|draw|put up|bring up|wind up|crank up) the (blinds|shades|shutters|\
blind|roller blinds|{room} blinds|blinds in the {room}) [{bit}|halfway|all the way|a little] *8
(pull|draw|throw|fling) (back|open) the (curtains|drapes|{room} curtains|curtains in the {room}|blackout curtains) *6
(pull|draw|put|roll|move|send|bring) the (blinds|shades|shutters|{room} blinds|blind) up [{bit}|halfway|all the way] *7
(draw|pull|slide) the (curtains|drapes) (open|apart|back) [{bit}] *4
(extend|roll out|put out|unroll|bring out|wind out|let out|lower|open) the (awning|sun shade|patio awning|\
canopy) [{bit}|on the {outdoor}|all the way] *6
(open|raise|lift|put up|roll up) the garage [door] [for me|so i can get the car out|halfway|i'm coming home] *7
(set|put|move) {thecover} to (open|{pct} open|fully open|half open|50% open) *4
(get|have) {thecover} (open|up) *3
(let|get) (some|the|a bit of) (sun|sunlight|sunshine|daylight|natural light|morning sun) in [through the window|\
{where}|to the {room}] *6
let the (sun|sunshine|daylight|morning sun|sunlight) in [{where}] *4
let the outside in
show me the (view|garden|sea|sunrise|outside|street) *3
uncover the (windows|window|skylight) *2
tilt the (blinds|slats|shutters) open [{bit}] *3
leave {thecover} open [tonight|a crack|halfway] *3
crack {thecover} (open) [{bit}] *2
close no wait open {thecover}
open {thecover} (at sunrise|in the morning|at {clock}|when i wake up) *4
(open|crack open) (a|the) (window|windows|skylight|roof window) [{bit}|{where}] *4
let's (have|get) {thecover} (open|up) *3
make {thecover} (go up|open) *3
(roll|wind|slide) {thecover} (open|up) *2
(part|open wide) the (curtains|drapes) *2
get the light in [through the (windows|curtains|blinds)] *2
""",
    needs="""
(i|we) (want|need|would like|'d like) {thecover} (open|opened|up|raised|pulled up|open {bit}|half open) *7
(i|we) (want|need|would like|could do with|'d love) (some|more|a bit of) (sunlight|sunshine|daylight|natural light|\
sun|fresh air) {where} *6
i (want|would like|'d like|'d love) to (see (the garden|outside|the sunrise|the sunset|the view|the snow|the street|\
what's going on outside|the sea)|look outside|look out [of] the window) *6
i can't see (outside|the garden|out of the window|the view) [because of the (blinds|curtains|shutters)] *4
it's (a beautiful|a lovely|such a nice|a gorgeous|a sunny) day [outside], (open the (blinds|curtains)|let the sun in|\
why are the curtains closed) *4
the sun is (up|out|shining), (open the (curtains|blinds|shutters)|let it in|get the blinds up) *4
{thecover} (should|can|could|may) (be open|open|go up|come up|be opened|be up) [now|by now] *5
{thecover} (needs|need) (opening|to be opened|to go up|to be open) *3
why are {thecover} (still|) (closed|down|shut|drawn) [in the middle of the day|at noon|on such a nice day] *5
{thecover} are (still down|still closed|closed and it's daytime) *3
(it's|it is) (morning|daytime), (open the (curtains|blinds)|time to open the (curtains|blinds)|curtains open|\
blinds up) *4
i'm (home|in the driveway|pulling up|about to drive in|outside with the car|on the drive), (open the garage|\
garage door please|get the garage door) *5
i need to (get the (car|bike|lawnmower|bikes) out [of the garage]|drive out|park the car|put the car away|\
get into the garage) *5
the car is (waiting|in the drive), garage (open|door up) *2
we need (shade|some shade) (on the {outdoor}|over the table|outside) *4
it's (too sunny|scorching|baking) on the (patio|terrace|deck|balcony), (put the awning out|awning out|get the awning) *4
we're (sitting|eating) outside and (there's no shade|need the awning) *3
the plants (need|want) (sun|sunlight|daylight) {where} *2
it's (stuffy|stale) {inroom}, open (a|the) window *2
you can open {thecover} [now] *3
who (closed|shut) {thecover} *2
i don't want {thecover} (closed|down|shut) *3
what a (beautiful|lovely|glorious) (morning|day|view|sunset), (curtains open|open the blinds|blinds up|let's see it) *3
i want to (look at|watch) the (stars|snow|birds|rain|sunset), (open|raise) {thecover} *3
it's (like living in a cave|like a cave) with (the curtains|the shutters|the blinds) (closed|down|shut) *2
(i'm|we're) (awake|up), (curtains|blinds|shutters) (open|up) [please] *2
we could (use|do with) some shade (on|over) the {outdoor} *2
""",
    fragments="""
{thecover} (open|up) *8
{thecover} up [a bit|halfway|all the way] *3
{thecover} (open|up) [to] {pct} *3
{thecover} {pct} open *3
blinds up [{where}] *3
curtains open [{where}] *3
(garage|garage door|shutters|shades|awning) (open|up|out) *4
awning out *3
up with the (blinds|shutters|shades) *2
open (blinds|curtains|shutters|shades|garage) *4
daylight please *2
sunlight please
can (i|we) (have|get) {thecover} (open|up|opened|open {bit}) *4
can {thecover} (go up|be opened|come up {bit}) *3
could {thecover} be (open|opened) [{bit}] *2
mind (opening|raising|drawing back|pulling up) {thecover} *3
how about (opening {thecover}|some daylight|letting some sun in) *3
any chance of (some daylight|opening {thecover}|a bit of sun {where}) *3
why don't you open {thecover} *2
half open on {thecover} *2
""",
    reasons="""
the sun is (out|up|shining)
it's (morning|a lovely day|a beautiful day)
i want to see (outside|the garden|the snow|the view)
the plants need sun
i need to get the car out
i'm in the driveway
we want some shade outside
""",
)

COVER_CLOSE = IntentFrames(
    commands="""
(close|shut) {thecover} *9
(close|shut) {thecover} [{bit}|halfway|all the way|to {pct}|completely|tight|for the night|tonight] *7
(lower|drop|pull down|roll down|bring down|put down|let down|wind down|take down) the (blinds|shades|shutters|blind|\
roller blinds|{room} blinds|blinds in the {room}) [{bit}|halfway|all the way|a little] *8
(draw|pull|close) the (curtains|drapes|{room} curtains|curtains in the {room}|blackout curtains) [closed|shut|\
together|to] *8
(pull|put|roll|bring|send|get) the (blinds|shades|shutters|{room} blinds|blind) down [{bit}|halfway|all the way] *7
(retract|roll in|roll up|take in|wind in|bring in|pull in|pull back|put away|close|fold in) the (awning|sun shade|\
patio awning|canopy) [on the {outdoor}|all the way] *7
(close|shut|lower|put down|bring down) the garage [door] [behind me|for the night|i've left|i'm out] *7
(set|put|move) {thecover} to (closed|{pct} closed|half closed|fully closed|shut) *4
(get|have) {thecover} (closed|shut|down) *4
(keep|block|shut) (the sun|the sunlight|the light from outside|the morning sun|the glare|the heat) out \
[with the (blinds|curtains|shutters)|{where}] *5
block (the sun|the sunlight|out the sun|out the street light) [{where}] *3
cover the (windows|window|skylight) *3
tilt the (blinds|slats|shutters) (closed|shut) [{bit}] *3
(give (me|us) some privacy|make it private) [{where}] *3
(black out|darken) the {room} with the (blinds|curtains|shutters|blackout blinds) *3
open no wait close {thecover}
(close|shut) {thecover} (at sunset|when it gets dark|at {clock}|before it gets dark) *4
(close|shut) (a|the) (window|windows|skylight|roof window) [{where}] *4
let's (have|get) {thecover} (closed|shut|down|drawn) *3
make {thecover} (go down|close|shut) *3
don't leave {thecover} open [overnight|all night] *3
(roll|wind|slide) {thecover} (shut|down|closed) *2
screen us from the (neighbours|street|sun) *2
(stop|keep) (people|the neighbours|anyone) (looking in|from looking in|seeing in) *3
""",
    needs="""
(i|we) (want|need|would like|'d like) {thecover} (closed|shut|down|lowered|drawn|pulled down|half closed) *7
(i|we) (want|need|would like|'d like|could use) (some|a bit of|more) privacy [{where}] *5
the (neighbours|neighbors|people across the street|people next door|people outside|passers-by) (can see in|can see us|\
are staring in|can see right in|are looking in|keep looking in) *7
(everyone|everybody|anyone) can see (in|into the {room}|me|us getting changed) *4
i feel (watched|like everyone can see in|exposed) {where} *3
i'm getting (changed|undressed|dressed) [in the {room}|by the window|and the curtains are open] *4
the sun is (in my eyes|blinding me|shining on the tv|right in my face|too strong|shining in|hitting the screen|\
fading the sofa|coming straight in|waking the baby) *7
the sun's (in my eyes|glaring|on the screen|blinding me|baking the {room}) [{where}] *4
there's (glare|sun|too much glare|a reflection|too much sun|sunlight) on (the tv|the screen|my screen|my monitor|\
the telly|my laptop) *6
i can't see (the tv|my screen|the telly|the screen) (because of|for) the (sun|glare|sunlight|sun shining in) *4
too much (sun|sunlight|glare|daylight) (is coming in|coming through|through the window|{where}) *5
the (street light|streetlight|street lamp|moon|headlights|neighbour's light) is shining (in|through the window|\
into the bedroom|in my face) *4
{people} (is napping|can't sleep) with (the sun|daylight) coming in *3
{thecover} (should|can|could|must) (be closed|close|go down|come down|be shut|be down) [now|at night|by now] *5
{thecover} (needs|need) (closing|shutting|to be closed|to come down|to be drawn) *4
(i|we|{kid}|someone) left {thecover} open *6
(i|we) forgot to (close|shut) {thecover} *5
{thecover} (is*4|are) still (open|up) *4
why (is|are) {thecover} (still open|open|up at this hour|wide open) *4
it's (windy|getting windy|starting to rain|raining|a storm coming), (bring in the awning|the awning needs to come in|\
close the windows|awning in|get the awning in) *5
the rain is coming in [through the window|through the skylight] *3
there's a draught from the window *2
the car's in [the garage], (close the garage|garage down|shut it|shut the garage) *4
i've (driven out|parked|left) and the garage is (still open|open) *4
the cat will get out, (shut|close) {thecover} *2
you can (close|shut|draw) {thecover} [now] *3
who opened {thecover} *2
i don't want {thecover} (open|up) [tonight|anymore] *3
it's dark out, (draw|close) the curtains *3
(mrs jones|the man opposite|that nosy neighbour|somebody|someone) (is|keeps) (peeking|peering|looking|staring|\
spying) (in|through the window|at us) *3
the (sun|light) is (waking me up|too bright through the window|coming through the curtains|roasting us \
through the glass) *3
i'm (squinting|blinded|dazzled) (because of|by) the sun *2
it's (blowing a gale|pouring|hailing), (awning in|get the awning in|shut the windows) *2
{people} (is|are) (having a nap|going down for a nap), (blinds|curtains) (down|closed|shut) *2
""",
    fragments="""
{thecover} (closed|shut|down|close) *9
{thecover} down [a bit|halfway|all the way] *4
{thecover} (closed|down) [to] {pct} *3
{thecover} {pct} closed *3
blinds down [{where}] *3
curtains (closed|shut|drawn) [{where}] *3
(garage|garage door|shutters|shades|windows) (closed|shut|down|close) *4
awning in *3
down with the (blinds|shutters|shades) *2
close (blinds|curtains|shutters|shades|garage) *4
shut (blinds|curtains|shutters|garage) *3
privacy please *2
can (i|we) (have|get) {thecover} (closed|shut|down|drawn) *4
can {thecover} (go down|be closed|be shut|come down {bit}) *3
could {thecover} be (closed|shut|lowered) [{bit}] *2
mind (closing|shutting|drawing|lowering|pulling down) {thecover} *3
how about (closing|shutting|drawing) {thecover} *2
any chance of (a bit of privacy|closing {thecover}|shutting {thecover}) *3
why don't you (close|shut) {thecover} *2
""",
    reasons="""
the sun is (in my eyes|too strong|blinding)
it's (dark outside|windy|raining|too sunny)
the neighbours can see in
{people} (is*4|are) (asleep|napping|getting changed)
there's glare on the (tv|screen)
we're (leaving|away)
i want some privacy
""",
)

FRAMES: dict[str, IntentFrames] = {
    "cover_open": COVER_OPEN,
    "cover_close": COVER_CLOSE,
}
