"""Sentence frames about how bright and which colour a lamp burns.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: switching \
(``grammar_lights``) and scenes.
The borders: too much or too little of a burning lamp is brightness, a hue or a warmth of light is colour.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

BRIGHTNESS_SET = IntentFrames(
    commands="""
(dim|brighten) {light} *6
(dim|brighten) {light} (to|by) {pct} *3
(dim|brighten) {light} {bit} *4
(dim|brighten up|brighten) the {room}
(dim|brighten) (it|things|the place|the room) [{bit}] [{where}] *2
(set|turn|change|adjust|put|bring|take) {light} to {level} *6
(set|change|adjust|put) the brightness [of {light}|{where}] to {level} *4
(set|make) {light} [to] {level} bright[ness] *3
(turn|bring|fade|take) down {light} [{bit}|to {pct}] *3
(turn|bring|fade|take|get) {light} down [{bit}|to {pct}] *4
(turn|bring|crank) up {light} [{bit}|to {pct}] *3
(turn|bring|crank|take) {light} up [{bit}|to {pct}] *4
(lower|reduce|decrease|raise|increase|drop|boost) (the brightness|the light level|the brightness of {light}) [{bit}|\
to {pct}|{where}] *4
(lower|soften) {light} [{bit}|to {pct}] *3
(raise|increase|reduce|decrease) {light} (to|by) {pct} *2
make {light} (brighter|dimmer|less bright|more bright|softer|lower|as bright as possible|as dim as possible|\
really dim) *6
make {light} {bit} (brighter|dimmer|darker|softer|less bright|lower) *5
make it {bit} (brighter|dimmer|less bright) {where} *3
make it (brighter|dimmer|less bright|a bit lighter) [{where}] *3
(turn|put|set) {light} (on low|on full|to full|to the lowest|down low|to maximum|all the way up|up full|to half) *3
put {light} (at|on) {pct} *3
(have|keep|leave) {light} (dim|dimmed|at {pct}|on low|at half) *2
give (me|us) (full|maximum|half|more|less) brightness [{where}] *2
give me (dimmer|brighter|softer) (light|lights) [{where}]
tone {light} down [{bit}] *2
tone down {light}
take the edge off {light}
(knock|notch) {light} (down|up) {bit}
cut {light} (in|by) half
halve the brightness [of {light}]
double the brightness [of {light}]
slide {light} (down|up) to {pct}
max out {light}
pump up the brightness [{where}]
turn the dimmer (up|down) [{bit}|{where}] *2
(up|lower) the (lights|brightness) [{bit}] [{where}]
(go|drop) to {pct} (brightness|on {light})
(set|put) (the dimmer|the {lamp}) (to|at|on) {pct} *3
(ease|wind|ramp) {light} (down|up) {bit} *2
run {light} at (half power|{pct}|full power|a third) *2
""",
    needs="""
{lights_are} [{bit}|far|much|way] too (bright|dim|strong|harsh|low|faint) *7
it's (too|way too|so|far too|a bit too|a bit) bright {where} *5
{lights_are} (blinding|dazzling) (me|us|{people}) *3
{lights_are} (hurting|killing|burning) my eyes *3
the light hurts (my eyes|{kid}'s eyes)
{lights_are} (not bright enough|hardly bright enough|a bit dim|a bit weak|so dim|very bright|really dim|\
barely glowing) *5
{lights_are} on but (i|we) still (can't see well|need it brighter|can't read) *2
(i|we) need (more|less) brightness [{where}|on {light}|from the {lamp}] *3
(i|we) (need|want|would like) (brighter|dimmer|softer|lower) (light|lights|lighting) [{where}|to read|for sewing|\
for this] *4
(i'd|we'd) like {light} (dimmer|brighter|less bright|at {pct}|dimmed|turned down [{bit}]|turned up {bit}) *5
i want {light} (dimmer|brighter|less bright|at {pct}|dimmed|dim|as bright as they go) *4
i've got a (headache|migraine), (dim|lower|turn down) the lights
that's too bright *2
(that's|it's) not bright enough [{where}] *2
(the brightness|brightness) is too (high|low) [{where}] *3
{light} (should|could|needs to|can) be (brighter|dimmer|a bit dimmer|a bit brighter|softer) *3
not so bright
it's like (an operating theatre|an airport|a football stadium|daylight) with these lights, dim them
i'm (squinting|getting a headache) because {lights_are} too (bright|dim)
i can't read [properly] with {light} this (dim|low) *2
(can we|let's) have {light} a bit (lower|softer|brighter)
we need the lights full blast [{where}]
{light} doesn't need to be that bright *2
do the lights have to be so bright
(this|the) light is (harsh|a bit harsh|rather strong|too powerful|glaring|feeble|too faint) *3
my eyes are (sensitive|sore|tired) today, (softer light|dim the lights|less bright) *2
{people} (finds|thinks) {light} too (bright|dim) *2
a (third|quarter|half) of that brightness (will do|is enough|is plenty) *2
i need (as much light as the {lamp} can give|the {lamp} brighter to sew|more from that lamp) *2
it's giving me a headache this bright light *2
""",
    fragments="""
{light} [to|at] {pct} *6
{light} {pct}
lights [at|to] {pct_n} *3
{light} (at|on) (half|full|low) power *2
(half|full|low) power on {light} *2
brightness [to|at] {level} [{where}] *4
brightness (up|down) [{bit}|{where}] *3
(dimmer|brighter) [please] [{where}] *3
(dim|bright|brighter|dimmer|low) (lights|lighting|light) [please] [{where}] *3
(more|less) (bright|brightness) [please] *2
{light} (dimmer|brighter|dim|low|full|down a bit|up a bit|down low|to max|to half) *5
lights (down|up) [low|a bit|{where}] *3
{bit} (brighter|dimmer|less bright) [please|{where}] *4
full brightness [{where}|on {light}|please] *3
half brightness [{where}|please]
max brightness [{where}|please]
minimum brightness [{where}|please]
lights on low [{where}]
can (we|i) (have|get) {light} (dimmer|brighter|{bit} brighter|{bit} dimmer|at {pct}|dimmed) *4
can (it|{light}) be (brighter|dimmer|{bit} dimmer|less bright) *2
any chance of (dimming|brightening) {light} [{bit}]
mind (dimming|brightening) {light} [{bit}]
not off, just (dimmer|dim|lower), {light} *2
don't turn {light} off, just (dim them|turn it down|make it dimmer) *2
""",
    reasons="""
it's too bright
it hurts my eyes
i'm trying to read
i've got a (headache|migraine)
i can't see my (book|knitting|crossword) properly
we're watching tv
{people} is (dozing off|falling asleep)
i need to (sew|draw|read the small print)
""",
)

COLOR_SET = IntentFrames(
    commands="""
(turn|make|set|change|switch|put|paint) {light} [to] {anycolour} *8
(turn|make) {light} {colour} *6
(set|change|switch|adjust) {light} to {anycolour} *4
(set|change|switch|make|put) the {color} [of {light}|of the lights|{where}] to {anycolour} *5
(change|switch) the {color} of {light} [to {anycolour}] *3
change the light {color} [to {anycolour}|{where}] *2
(give|get) me (some|a) {anycolour} light[ing] [{where}] *3
give the {room} (a|some) {anycolour} (glow|light|tint|look) *3
(turn|make|light) (the room|the {room}|everything|the whole house|it) [up] [in] {anycolour} *4
make (the room|the {room}) glow {colour} *2
make {light} (warmer|cooler|more yellow|less yellow|less blue|warm|cold|less cold|more orange|colder looking|\
less white) *5
make the light[ing] [{where}] (warmer|cooler|warm|more cosy and yellow|less harsh and white|less blue) *2
(set|change) the colour temperature [of {light}|{where}] (to {white}|to warm|to cool|to {white}) *3
(warm up|cool down) the (light colour|colour temperature|light tone|colour of {light}|tone of {light}) *2
(use|try|pick|choose) {anycolour} (for {light}|lights|light|{where}|instead) *3
go (for {anycolour} lights|{colour} with the lights|with {anycolour} light) [{where}] *2
(do|try) something {colour} with {light}
(change|make) {light} from {colour} to {colour} *2
(make|turn) {light} the {color} of {thing_colour} *3
make {light} look like {thing_colour} *2
cycle through [all] the colours [on {light}|{where}]
(pick|choose) a (different|nicer|new|random|warmer|cooler) {color} for {light} *3
(change|switch) {light} to (a different|another|a nicer|a warmer|a cooler|some random|my favourite) {color} *3
(show|do) (me|us) {colour} (light|lights) [{where}]
(set|put) (a|some) {anycolour} (hue|tint|glow|tone|shade) {where} *2
colour {light} {colour} *2
let's (have|go with|try) {anycolour} (lights|light|lighting) [{where}] *3
have {light} (in|be|go|glow) {colour} *2
(shift|tint) {light} [to|towards] {anycolour}
stop the lights being {colour}, (make them|go to|i want) {anycolour}
light the {room} in {anycolour} *2
rgb {light} to {colour}
(splash|throw) some {colour} on the walls with {light}
(swap|trade) the {colour} (light|lights) for {colour} *2
make it (look|feel) like (a sunset|a rainbow|the sea|a forest) with the light colour *2
""",
    needs="""
(i|we) (want|need|would like|'d like|prefer|'d prefer|fancy) {anycolour} (lights|light|lighting) [{where}] *6
(i|we) (want|would like|prefer|need) {light} (in|to be|to go|to turn) {anycolour} *4
(i'd|we'd) like {light} (in {colour}|{colour}|to be {anycolour}|{anycolour}) *4
{lights_are} too (blue|yellow|cold looking|white|harsh and white|orange|red|green|clinical|cold, i want them {white}) *4
the (light|lighting) {where} (is|looks|feels) too (cold and blue|white|blue|yellow|clinical|orange|sterile and white) *2
i don't like (this|that|the) {color} [of the lights|of light|on the lamp] *2
i don't like {light} (being|in) {colour} *2
i'm (bored with|tired of|sick of) {colour} (lights|light), (try|make it|go) {colour} *2
{kid} wants (the lights|{light}|a) {colour} [light|lights] *2
{kid} wants {light} (to be|in) {colour} *2
{light} (should|could|can) be {anycolour} *3
{light} would look (nice|better|great|nicer) in {anycolour} *2
it would be nice to have {anycolour} (light|lights) {where}
my favourite {color} is {colour}, (use|do) that for the lights
the {colour} (light|lights) (isn't|aren't) working for me, try {colour}
{colour} (lights|light) would be (nice|lovely|cool|great) [{where}] *2
i'm feeling {colour} lights [tonight|today]
we need {colour} and {colour} lights for (halloween|christmas|the party|the match|easter)
it's (halloween|christmas|valentine's day|st patrick's day), make the lights {colour}
(the light|this light|the {lamp}) (looks|feels) like a hospital, make it warmer
i want (a|some) (warmer|cooler|different) (colour|color|tone|light colour|shade) [{where}|on {light}] *2
(bit|a bit|something) less (blue|yellow|white|orange) in the light *2
the (white|blue|yellow) light is (ugly|cold|depressing|unflattering|awful), (change it|go warmer|another colour) *2
{colour} (is|are) (so|) pretty, i want {colour} (lights|lamp) *2
{kid}'s favourite {color} is {colour}, (her|his) lamp should be that *2
we're supporting the {colour} team, lights {colour}
""",
    fragments="""
{colour} (lights|light|lamp|lighting) [{where}] [please] *5
{light} [to|in] {anycolour} *6
{anycolour} in the {room} *3
{light} {colour} *3
{white} (light|lights|lighting|bulbs) [{where}] *3
light {color} {anycolour} [{where}] *2
{color} {colour} [for {light}]
(warmer|cooler) light [please] [{where}]
(warm|cool) white please [{where}]
can (i|we) (have|get) {anycolour} (lights|light|lighting) [{where}] *4
can (i|we) (have|get) {light} [in] {anycolour} *3
can {light} (be|go|turn) {anycolour} *3
could {light} be {anycolour} *2
can you do {colour} [lights] [{where}]
how about (some|a bit of) {anycolour} (light|lighting) [{where}] *2
how about {anycolour} for {light} *2
what about {colour} (lights|for the lamp)
different {color} [on {light}|for {light}|please]
another {color} (lamp colour|for the lights|for {light})
not {colour}, {colour}, {light}
{light} {colour} no {colour}
me want {colour} light
""",
    reasons="""
it's {kid}'s favourite {color}
it's (halloween|christmas)
the white is too harsh
it looks (nicer|cosier|prettier)
this {color} is ugly
i'm taking photos
""",
)

FRAMES: dict[str, IntentFrames] = {
    "brightness_set": BRIGHTNESS_SET,
    "color_set": COLOR_SET,
}
