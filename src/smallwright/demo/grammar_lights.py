"""Sentence frames about lamps: switching them on and off.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: dimming and colour \
(``grammar_light_levels``).
The border: darkness asks for light; too much of a burning lamp is brightness.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

LIGHTS_ON = IntentFrames(
    commands="""
(turn*4|switch*3|put|flip) on {light} *5
(turn*4|switch*3|put*2|flick|pop|click|get) {light} on *5
(turn|switch|put) {light} back on
(turn|switch|put) back on {light}
(turn|switch) on all [of] the lights [{where}]
(light up|illuminate) (the {room}|the {outdoor}|my room|the stairs|the path)
give (me|us) (some|a bit of|a little|more) light [{where}] *2
get (me|us) some light [{where}]
let there be light [{where}]
(power on|activate|enable|start) {light}
make it (light|not dark) {where}
make the {room} (lit|light up)
put (some lights|a light|a lamp) on [{where}] *2
stick (the big light|a light|the lights|a lamp|the {lamp}) on
light the (hallway|stairs|way|{room}|{outdoor}|path|place)
(have|leave|keep) {light} on [for (me|{people}|when i get home)]
bring (up the|the) lights on [{where}]
bring some light into (the {room}|here)
fire up {light}
wake up {light}
let me have (some light|the lights on|a light) [{where}]
let's (have|get) (some|the|a bit of) (lights on|light|lights) [{where}]
flip (the light switch|the lights) on [{where}]
hit the lights (we need to see|it's dark|on)
make {light} (turn|go|come) on
get {light} going
show me some light [{where}]
(turn|put) on the light (so|so that) (i|we) can see [(my book|the stairs|what i'm doing)]
(leave|put) a light on for {people}
light (it|this place) up [{where}]
set {light} to on
shine some light on (the stairs|the {spot}|my book|this)
lighten the darkness {where}
""",
    needs="""
it's (too|so|very|really|way too|pretty|awfully|quite|getting) dark {where} *6
(it's|its gotten|it got) dark [{where}] (already|now|early|all of a sudden)
i (can't|can hardly|cannot|can barely) see (a thing|anything|what i'm doing|my hand|where i'm going|the stairs|\
my keys) [{where}] *5
i can't see (in the {room}|the {spot}|to find my shoes|to read|the lock|what i'm eating|what i'm chopping)
(i|we) (need|want|could use|could do with) (some|a bit of|a little|more) light {where} *3
(i|we) need (the lights|the light|a light|the {lamp}) on *3
(i'd|we'd) like (the lights|the light|{light}) on [please] *2
i want {light} (on|to be on|turned on|switched on) *2
i (would like|need) to (see|be able to see) (in the {room}|{where})
i'm (sitting|standing|stuck|working|cooking|stumbling around|left) in the dark [{where}] *3
we're (sitting|eating|all) in (the|complete|total) dark[ness]
i'm scared of the dark
{people} is (scared of|afraid of) the dark
it's pitch black {where} *2
it's (pitch dark|black as night|like a cave|like a dungeon) {where} *2
i (keep|nearly|almost) (tripping over things|fell over|tripped on the stairs) (in the dark|it's so dark) [{where}]
someone's (coming up the drive|at the door) and it's dark out there
the {room} is (too|so|really|very) dark *3
the {outdoor} is (too|so|completely) dark [to see anything]
it's (dark|getting dark) (outside|out there), (put|switch) the {outdoor} lights on
i dropped (something|my ring|my pill) and can't see it
we need to be able to see the (path|steps|driveway)
there's no light {where} *2
why is it so dark {where} *2
why are we sitting in the dark
hey i was still in here, lights back on
i want light
i need to find my (glasses|slippers|keys|phone) in the dark
the sun's (gone down|going down|set) (and we have no lights on|and it's dark {where})
it's night time and the {outdoor} is dark
i'm coming (home|downstairs) and it's dark, lights please
{people} can't see (a thing|anything|in there) [in the {room}]
my eyes can't see {where} without a lamp
it's a bit dark {where} isn't it
i'm reading and it's too dark
we'd better have the {lamp} on
i (bumped|stubbed my toe|walked) into (the door|the table|something) in the dark *2
it's like a (coal cellar|tomb|black hole|horror movie) {where} *2
(who can|nobody can|how am i supposed to) (see anything|find anything|read|cook) in this (dark|gloom) *2
it's (gloomy|murky|dim and gloomy) {where}, (lights|light|lamp) on *2
{people} (needs|wants) the (light|night light|lamp) on *2
{people} won't sleep without the night light *2
i'm feeling my way (around|along the wall) in the dark
there's a power of darkness out on the {outdoor}, light it up
""",
    fragments="""
lights on [{where}] *5
{light} on *6
{light} *3
(lights|light) in the {room} *2
light please
some light [please] [{where}] *2
light {where} *2
more light (on the stairs|over the {spot})
on with the lights
lights back on [in the {room}]
the {lamp} on
the {lamp} too
all lights on [{where}]
can (i|we) (have|get) (the lights|some light|a light|{light}) [on] [{where}] *4
could (i|we) (have|get) (some light|the lights on|a bit of light|{light} on) [{where}] *3
any chance of some light {where}
how about some light [{where}] *2
what about some light {where}
mind (putting|popping|getting) (the light|the lights|{light}) on
is it possible to (turn|switch) {light} on
why don't you turn on {light}
lights [up] {where}
lumos
light it up
me want light on
light on [mummy|daddy]
""",
    reasons="""
it's (dark|too dark|getting dark|pitch black) [in here|out there]
i can't see [a thing|anything]
i'm (coming in|home|awake|up|scared|reading|cooking|about to trip)
{people} is (coming home|scared of the dark|on the way up)
i need to find my (keys|glasses|slippers)
so (i|we) can see
the sun has gone down
we have guests
""",
)

LIGHTS_OFF = IntentFrames(
    commands="""
(turn*4|switch*3|shut) off {light} *5
(turn*4|switch*3|shut|put|flick|click|knock|flip) {light} off *5
(turn|switch|shut) {light} (back off|off again)
(turn|switch|put) out {light} *3
(turn|switch|put) {light} out *2
kill {light} *3
cut {light}
(shut|power) down {light}
(deactivate|disable|extinguish) {light}
(turn|switch) off (all [of] the lights|every light|everything that's lit) [{where}] *3
turn off the lights (i|we) left on [{where}]
make it [all] dark [{where}] *2
make the {room} dark
(don't leave|stop leaving) {light} on
get (rid of the light|the lights off) [{where}]
leave (us|me|it) in the dark
leave the {room} (dark|in the dark)
let's (have|get) the lights off [{where}]
have {light} off
put {light} to sleep
(hit|drop|douse) the lights[, time to sleep]
black out the {room} lights
go dark {where}
stop {light} (shining|burning|being on)
make {light} (turn|go) off
lose the {lamp}
let me have the lights off [{where}]
(turn|switch) the light off when (you|i) leave
set {light} to off
shut the light [off] *2
make the light go (off|out|away) *2
turn all of them off, every (light|lamp) *2
""",
    needs="""
(i|you|we|someone|somebody|the kids|{kid}) left {light} on *5
(i|we|i think i) forgot to (turn off {light}|switch off {light}|turn {light} off) *3
(i've|we've|someone's|he's|she's) left {light} on [again|all night|all day] *2
(nobody's|no one is|no one's|nobody is|there's nobody|there's no one) in the {room} (and|but) the (light|lights) (is|\
are) [still] on *3
why (is|are) (the light|the lights) [still] on (in the {room}|when nobody's here|in an empty room|in the daytime|\
all night) *3
(we|i) don't need {light} [on] [anymore|any more|now|right now] *4
(we|i) no longer need {light} [on]
there's no need for {light} [to be on]
{lights_are} wasting (electricity|power|energy|money) *2
{lights_are} (still on|on for nothing|on and nobody's there) *2
we're wasting (electricity|energy) (with|on) (all these lights|the lights|the {room} lights)
(i|we) can't sleep with {light} on *3
the {lamp} (is keeping|keeps) (me|the baby|us) awake *2
(the light|that light|the {room} light) is keeping (me|us|the baby|{people}) (up|awake) *2
i (want|need|would like) {light} (off|turned off|switched off|out) *3
(i'd|we'd) like (the lights|the light|{light}) off [please] *2
i'm (done|finished) (reading|in the {room}), (lights|light) off *2
i'm (finished|done) with the {lamp} [now|for tonight] *2
i want it (dark|pitch black|completely dark) {where} *2
(i|we) (like|prefer) to (sleep|sit) in the dark
it's (daylight|light|sunny|bright) (outside|enough|already) (so|and) we don't need {light} *2
the sun's (up|out), no need for {light} *2
(everyone's|we've all|we all) left the {room}, (lights off|no need for the lights)
{people} fell asleep with {light} on *3
{people} is asleep and the light is [still] on *2
you can (turn|switch) {light} off [now]
you (can|may) turn the (light|lights) out [now]
that's enough light, switch it off
that (light|lamp) (shouldn't|doesn't need to) be on
{light} can go off [now] *2
{light} should be off [by now|at this hour] *2
i don't want {light} on *2
no (more lights|lights needed) {where} *2
the electricity bill is huge, (get those|turn the) lights off
the {outdoor} lights have been on all night
who left {light} on *3
{light} (is|has been) (burning|on) for nothing (all day|in the {room}) *2
i can (still|) see a light (on|burning) in the {room}, get it off *2
(someone|{kid}) (always|keeps) (leaves|leaving) (the light|the lights) on *2
every (light|lamp) in (the house|this place) is on and (it's daytime|nobody's home) *2
(we're|i'm) not made of money, (lights off|turn off some lights|get the lights out)
it's (too late for|way past time for) lights in {kid}'s room *2
i'd sleep better without that (light|lamp) *2
""",
    fragments="""
lights off [{where}] *5
{light} off *6
lights out [{where}] *3
light out
(lights|lamps|everything) out [in the {room}]
all lights off [{where}] *2
off with {light} *2
off with the lights
no lights [please] [{where}]
no light {where}
the {lamp} off
darkness please
can (i|we) (have|get) (the lights|{light}) off [{where}] *3
could (i|we) (have|get) {light} off *2
mind (turning|switching|getting) {light} off
is it possible to (turn|switch) {light} off
any chance you could switch off {light}
why don't you turn off {light}
nox
{light} off not on
not on, off, {light}
""",
    reasons="""
{people} is (asleep|sleeping|trying to sleep)
i'm trying to sleep
(nobody's|no one is) in there
i'm going to (sleep|bed)
we're wasting (electricity|power|energy)
it's (daylight|light enough|sunny)
i've got a headache
we're done in there
""",
)

FRAMES: dict[str, IntentFrames] = {
    "lights_on": LIGHTS_ON,
    "lights_off": LIGHTS_OFF,
}
