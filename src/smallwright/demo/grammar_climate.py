"""Sentence frames about warmth indoors.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: heaters and fans as \
appliances; the weather.
The border: feeling cold or hot is a wish, asking how cold it is is a question.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

TEMPERATURE_SET = IntentFrames(
    commands="""
(set|turn|change|adjust|put) (the thermostat|the temperature|the temp|the heating|the heat) [{where}] to {deg} *8
(set|put|change) the {room} [temperature|thermostat|heating] to {deg} *5
(set|put|turn) (the ac|the air con|the aircon|the a c|the air conditioning|the radiator) [in the {room}] to {deg} *3
(raise|increase|lower|reduce|decrease|drop|bump up|up) the (temperature|heat|thermostat|temp|heating) \
[{where}] [by {few_deg}|to {deg}] *7
(turn|crank|whack|bump|put|knock|push|stick) (the heating|the heat|the thermostat|the temperature|the radiators) (up|\
down) [{few_deg}|to {deg}] [{where}] *8
(turn|crank) (up|down) (the heating|the heat|the thermostat|the temperature|the radiator) [{few_deg}|{where}] *6
(turn|crank) (the ac|the air con|the air conditioning) (up|down) [{few_deg}] *3
make it (warmer|cooler|hotter|colder|less cold|less hot|nice and warm|toasty|a bit warmer|a bit cooler|not so hot|\
not so cold) [{where}] *7
make it {bit} (warmer|cooler|hotter|colder|less cold|chillier) [{where}] *5
make it {deg} [{where}] *4
make (the {room}|the house|this room|upstairs|my room) {bit} (warmer|cooler) *3
make (the {room}|the house|this room|upstairs|my room) (warmer|cooler|warm|cosy and warm|less freezing|cool|\
nice and warm for {kid}) *5
(warm|heat) up (the {room}|the house|this place|my bedroom|the upstairs) [to {deg}] *5
(warm|heat|cool) (the {room}|the house|this place|my room|upstairs|the flat) [up|down] [to {deg}|{few_deg}] *6
(cool|chill) down (the {room}|the house|this place|my room) [to {deg}] *4
(cool|warm) it (down|up) [{bit}|{where}] *4
(heat|cool) the {room} to {deg} *4
(keep|hold|leave) (it|the house|the {room}|the temperature|the nursery) at {deg} [overnight|tonight|all day|\
until {clock}] *5
(get|bring) (the {room}|the temperature|the house|it) (up to|down to|to) {deg} *4
take the (chill|edge) off [{where}|in the {room}] *2
take (the temperature|the heating|it) (up|down) {few_deg} [{where}] *3
(go|drop) (up|down) (a degree|two degrees|a few degrees|to {deg}) [on the thermostat] *3
add (two|a few|three|2) degrees [to the {room}|to the thermostat]
give us (some warmth|a bit more heat|a bit of heat|more heat) [{where}] *2
set (heating|cooling|climate) to {deg} [{where}] *3
let's (make it|have it|get it) (warmer|cooler|a bit warmer|a bit cooler) {where} *2
have the house (warm|at {deg}) (when i get home|by {clock}|for the guests) *3
stop it being so (cold|hot) {where} *2
dial (the heat|the thermostat|it) (back|down|up) [{few_deg}] *2
(get|make) (us|me) (warm|cool|warmed up) *2
(take|bring) it to {deg} [{where}] *2
(ease|wind|nudge|tick) the (heating|thermostat|temperature) (up|down) [{few_deg}] *3
""",
    needs="""
i'm (cold|freezing|boiling|roasting|too hot|too cold|sweating|shivering|chilly|so cold|really hot|melting|frozen|\
baking|perished|nithered|burning up|hot) [{inroom}] *9
(we're|{people} is|the baby is) (cold|freezing|boiling|too hot|too cold|sweating|shivering|chilly|roasting|\
very warm) [{inroom}] *6
it's (freezing|boiling|roasting|too cold|too hot|too warm|so cold|so hot|a bit cold|a bit chilly|a bit warm|chilly|\
nippy|baltic|cold|hot|sweltering|baking|stifling|parky|really cold|icy|arctic|like an oven|like a sauna|like a fridge|\
like the north pole) {inroom} *9
the {room} is (freezing|boiling|too cold|too hot|too warm|a bit chilly|a bit cold|an icebox|like an oven|\
like a fridge|never warm enough|really cold|not warm enough|stone cold|roasting) *7
my (feet|hands|toes|fingers) are (freezing|cold|like ice|frozen|blue|numb with cold) [{inroom}] *4
i (can't|cannot) (feel my (toes|fingers|feet|hands)|stop shivering|get warm|warm up) [{inroom}] *4
my teeth are chattering
i can see my breath {inroom} *2
i've got (goosebumps|two jumpers on and i'm still cold|three blankets and still freezing) *2
(i|we) (need|want|could do with|would like) (some|a bit more|more) (warmth|heat) [{inroom}] *3
(i|we) (want|need|would like|'d like|prefer) it [to be] (warmer|cooler|a bit warmer|a bit cooler|at {deg}|{deg}|\
less hot|around {deg}) [{inroom}] *6
i'd like the (temperature|thermostat|{room}) (at|to be|set to) {deg} *4
(i|we) want the (house|{room}) (at {deg}|warmer|cooler|nice and warm|cool for sleeping) *4
it (should|could|needs to) be (warmer|cooler|{few_deg} warmer|{few_deg} cooler|at least {deg}) [{inroom}] *4
it's not (warm|cool|hot) enough [{inroom}] *4
can't sleep, it's too (hot|warm|cold) [{inroom}] *3
i (can't sleep|can't work|can't concentrate) in this (heat|cold) *3
we're (freezing|melting|boiling) (our butts off|to death|alive) [{inroom}] *2
turn it up i'm freezing *2
turn it down i'm (boiling|roasting|sweating) *2
the baby's room (should be|needs to be) (around {deg}|warmer|cooler|{deg}) *2
{people} (likes|wants) it (warm|cool|at {deg}|warmer|cooler) {inroom} *3
it feels like (winter|the arctic|a freezer|a sauna|the sahara|an igloo) {inroom} *3
{few_deg} (warmer|cooler) would be (nice|good|great|lovely|perfect) *3
{deg} would be (nice|good|great|perfect|better) {inroom} *2
are you trying to (freeze|cook|roast) (us|me) *2
why is it so (cold|hot|warm|chilly) {inroom} *4
brr[r] [it's cold]
brrr it's (cold|freezing|chilly) [{inroom}] *2
phew it's (hot|warm|boiling) {inroom} *2
(the thermostat|the heating|the temperature) is (set too|too|far too) (high|low) *3
my grandmother is (always cold|feeling the cold|shivering) *2
i wish it (was|were) (warmer|cooler|a bit cooler|a bit warmer) {inroom} *2
my (nose|bottom|face|back|legs|old bones) (is|are) (cold|frozen|freezing|chilly) *2
i'm (wearing|sitting in|wrapped in) (my coat|two jumpers|three jumpers|a blanket|a hat|a scarf) (indoors|in here|\
and still cold) *3
{deg} (is|would be) (plenty|enough|fine|comfortable|about right) (in|for) the {room} *3
you could (hang meat|fry an egg|grow tomatoes|keep penguins) {inroom} *2
(i'm|we're) (dripping|sweating buckets|dying of heat|turning into an icicle|like an ice cube|turning blue) [{inroom}] *3
i (need|want) a (jumper|blanket|cardigan) it's so cold {inroom} *2
it's (freezing|cold) enough {inroom} to see my breath
{people} (is|are) complaining (it's cold|it's too hot|about the cold|about the heat) [{inroom}] *2
""",
    fragments="""
(thermostat|temperature|heating|temp) [to|at|on] {deg} [{where}] *7
{deg_n} degrees [please] [{where}] *4
{deg} in the {room} *4
{room} [to|at] {deg_n} degrees *4
(heating|heat|thermostat|temperature|temp) (up|down) [{few_deg}|please] *6
(warmer|cooler|hotter|colder) [please] [{where}] *4
{bit} (warmer|cooler|colder) [please] [{where}] *4
{few_deg} (warmer|cooler|hotter|colder) [please] [{where}] *4
more heat [please|{where}] *2
less heat [please|{where}]
(up|down) {few_deg} (on the thermostat|on the heating) *2
can (i|we) (have|get) it (warmer|cooler|a bit warmer|a bit cooler|at {deg}) [{where}] *4
can (i|we) (have|get) (some|more|a bit more) heat [{where}] *2
can it be (warmer|cooler|less cold|a bit warmer) [{where}] *2
could (it|the {room}) be {bit} (warmer|cooler) *3
mind (turning the heating|putting the thermostat) (up|down) [{few_deg}] *3
how about {deg} (degrees in here|in the {room}|for the thermostat) *2
any chance of (turning the heating up|a bit more heat|warming this place up|cooling it down) *3
too (hot|cold|warm|chilly) [{inroom}] *4
me cold
so (cold|hot) [{inroom}] *2
{deg_n}, no make that {deg_n} degrees *2
""",
    reasons="""
i'm (freezing|cold|boiling|too hot|sweating|shivering)
it's (freezing|chilly|boiling|roasting|stuffy) in here
{people} is cold
the baby is (cold|too warm)
we're all freezing
my feet are like ice
i can't sleep in this heat
we want to save energy
""",
)

TEMPERATURE_QUERY = IntentFrames(
    commands="""
(tell me|check|show me|read [me]|give me|get me|say) the [current] (temperature|temp|indoor temperature|\
room temperature|temperature reading) {inroom} *8
(tell me|check|show me|read me|give me) (what the thermostat says|the thermostat reading|the indoor temperature|\
the inside temperature|the thermostat setting|the temperature of the {room}) *6
(tell me|check|see) (how (warm|cold|hot|cool|chilly) it is|what temperature it is) {inroom} *6
(check|read) the thermometer [{inroom}] *3
(tell me|check) (how (warm|cold|hot) the {room} is|if the {room} is (warm|cold|too hot|too cold)|whether it's (warm|\
cold|too hot) {inroom}) *5
find out (how warm|how cold|how hot) (the {room}|the nursery|the house) (is|has got) *2
""",
    questions="""
what's the (temperature|temp) {inroom} *8
what (is|'s) the [current|actual] (temperature|temp) {inroom} *5
what (is|'s) the temperature (of|inside) (the {room}|the house|the fridge|the baby's room|the flat) *4
what temperature is (it|the {room}|the house|the nursery|the bedroom|the thermostat) [right now|now|at|set to|\
at the moment] [{inroom}] *5
what temp is it {inroom} *3
how (warm|cold|hot|cool|chilly) is (it|the temperature) {inroom} [right now|at the moment] *7
how (warm|cold|hot|cool) is (the {room}|the house|my room|the nursery|{kid}'s room|upstairs) [right now|now] *7
how many degrees is it {inroom} *4
how many degrees (are we at|do we have|is the {room}|is it inside) [now] *3
what (does the thermostat (say|read|show)|is the thermostat set to|is the thermostat set at|does the thermometer say|\
is the heating set to|is the heating set at) *7
what's the (thermostat|heating|ac|air con) (set to|set at|reading|on|at) [{inroom}] *4
what's the (indoor|inside|room|house|bedroom|{room}) (temperature|temp|temp reading) [right now|now] *6
what's the (thermostat|thermometer) (say|reading|saying) *3
is it (warm|cold|hot|cool|chilly) (in the {room}|in {kid}'s room|in the nursery|inside|upstairs|in the \
house) [right now|at the moment] *5
is it (warm|cool|hot|cold) enough in (the {room}|the nursery|there|{kid}'s room) *4
is the {room} (warm|cold|cool|hot|too hot|too cold|warm enough|cold right now|warm yet|up to temperature) *5
is it (above|below|over|under|at|around) {deg} {inroom} *4
is it (over|under|above) {deg_n} degrees in the {room} *2
how (warm|cold|hot) (has it got|did it get|is it getting) {inroom} [today|overnight] *3
which room is the (warmest|coldest|hottest|coolest) *3
has the {room} (warmed up|cooled down|reached {deg}|got to {deg}) [yet] *4
did the (house|{room}) warm up [yet] *2
what's it like {inroom}, warm or cold *2
what did the temperature (get to|drop to|fall to) in the {room} (last night|overnight) *2
what's the temperature difference between the {room} and the {room}
has it got (warmer|colder) {inroom}
(how warm|how cold|how hot) (are we|is my room|is our bedroom) (at the moment|right now|now) *2
what's the reading on the thermostat *2
are we at {deg} yet {inroom}
""",
    needs="""
i (want|need|would like|'d like) to know (the temperature|how warm it is|how cold it is|the temp) {inroom} *5
i need to know how (hot|cold|warm) the (nursery|{room}|baby's room) is *3
i wonder (how (cold|warm|hot) it is|what temperature it is|what the temperature is) {inroom} *4
i'm curious (what the thermostat says|how warm it is inside|how warm the {room} is) *3
let me know (the temperature|how warm it is|how cold it is) {inroom} *3
just checking how (warm|cold) (the {room}|the nursery|it) is [{inroom}] *2
i can't tell how (warm|cold) it is {inroom}, what does the thermostat say *2
i'd like the (temperature|reading) (for|of|from) the {room} *2
do you know (how warm|how cold|what temperature) (it is|the {room} is) {inroom} *2
""",
    fragments="""
(temperature|temp) {inroom} [please|now] *5
{room} (temperature|temp) [please|right now|now] *5
(indoor|inside|current indoor|room|house) (temperature|temp) [please|now] *5
(current|present) (temperature|temp) {inroom} *4
thermostat (reading|status|setting) [please] *3
degrees {inroom} *2
how (warm|cold|hot) {inroom} *3
how (warm|cold|hot) in the {room} *2
temperature check {inroom} *2
what temp {inroom} *2
temp in the {room} vs the {room}
""",
)

FRAMES: dict[str, IntentFrames] = {
    "temperature_set": TEMPERATURE_SET,
    "temperature_query": TEMPERATURE_QUERY,
}
