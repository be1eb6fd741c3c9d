"""Sentence frames about appliances.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: lamps, loudspeakers, \
thermostats, the vacuum.
The borders: a heater or fan that is switched is a device; a wish for warmth is a temperature; the radio is music.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

DEVICE_ON = IntentFrames(
    commands="""
(turn*4|switch*3|put) on {device} *6
(turn*4|switch*3|put*3|stick|pop|flick|get|whack|bung) {device} on *6
(turn|switch|put) {device} back on *2
(start|start up|power up|power on|fire up|boot up|activate|enable|run|launch) {device} *5
(power|plug|start|boot) {device} (on|up)
(begin|start|run) (the washing machine|the dishwasher|the dryer|a wash|the wash cycle|the quick wash|\
the eco programme|a load of laundry|the washer) *3
start (a wash|the washing|the laundry|the dishes) [now]
(preheat|heat up|warm up) the (oven|air fryer|toaster oven|coffee machine|sauna|hot tub|grill) [to 180|to 200 degrees|\
to 350] *3
(boil|heat) (the kettle|some water|water for tea|me some water) *4
(put|stick|pop|get) the kettle on *3
(make|brew|fix|get) (me|us) {brew} *4
(make|brew|start) {brew} *3
(get|start) the coffee (going|brewing|on) *2
get {device} (going|running|started|warmed up|working) *4
get the (oven|grill|hob|stove) (hot|nice and hot|ready for the pizza|ready)
(turn|put|switch) on the (tv|telly|television) [for {kid}|so i can watch {tvshow}|, {tvshow} is on] *3
(turn|put|switch) on (the {dev}) (in {min_n} minutes|for {duration}|at {clock})
let {device} run [for {duration}]
leave {device} (on|running) [overnight|for now|for {duration}] *2
set {device} to on [mode]
water the (lawn|garden|plants|grass|flowers|tomatoes|vegetable patch) *3
(run|start) the (sprinklers|watering|irrigation) [in the {outdoor}] *2
give (the lawn|the plants|the garden) a (drink|watering|bit of water)
make {device} (start|turn on|go on|work|spin) *2
(turn|switch) the (fan|ac|air con|ceiling fan) on (high|low|full|medium|max) *2
have {device} (on|running) [when i get home] *2
give {device} (some power|power|juice)
let's (have|get) {device} on *2
(dry|wash) (the clothes|my clothes|the towels|the dishes|the sheets|this load) *3
(turn on|switch on) whatever is plugged in {plugwhere}
(turn|put) the power on (for|to) {device}
do the (laundry|dishes) [now]
(set|get) {device} (off|going|up and running) *2
(put|stick) the (dishes|clothes|washing|towels) on [to wash|to dry] *2
(turn|switch) the power on to {device}
(chuck|bung|put) {device} on (for a bit|for a while|for half an hour|on a timer|before i get home|while i shower) *3
plug in {device}
""",
    needs="""
(i|we) (want|need|would like|'d like) {device} on *5
(i|we) (want|need|would like) {device} (running|going|started|turned on|switched on|to be on) *4
i (want|would like|need) to (watch {tvshow}|watch tv|watch television|watch some telly|watch a programme) *4
(i|we) (could do with|could use|fancy|need|want|'d love|would love) (the fan|a fan on|the ac|the heater on|\
the {dev} on) *3
i (fancy|need|want|could murder|'d love|could use|could do with) (a coffee|an espresso|a cuppa|a cup of tea|a brew|\
a hot drink) *4
i (can't|won't) function (without|until i've had) (coffee|my morning coffee|a coffee)
{tvshow} (is on|is about to start|starts in a minute|has started)(, put the tv on|, telly on|and the tv is off|\
so i need the tv) *3
(the dishwasher is|the washer's|the washing machine is) (full|loaded|ready to go|ready to run|all loaded), (start it|\
set it off|run it) *3
the (dirty dishes are|laundry is) (in|loaded), (start it|run it|off you go)
i've (loaded|filled) the (dishwasher|washing machine|dryer|coffee machine|kettle) [you can start it|so start it|\
and it's ready] *3
(the lawn|the grass|the garden|the lavender) (is|looks) (dry|thirsty|parched|brown) *3
the (plants|flowers|tomatoes|roses) (need|could do with) (water|watering|a drink) *3
i need to (iron|blow dry my hair|do the ironing|do a wash|use the oven|use the printer|print something|\
vent the bathroom|dry the clothes) *3
it's (steamy|smoky|all steamed up) {where}, (get|put) the (extractor|extractor fan|hood|fan) on *3
the (kitchen|bathroom) is full of (smoke|steam) *2
{room} smells (of fish|of burnt toast|funny|bad), (put|switch) the (extractor|air purifier|fan|hood) on *2
{people} (wants|wants to) watch (cartoons|{tvshow}|a programme on tv) *2
{people} wants {device} on *2
the {appliance} (needs to be|should be|is meant to be|is supposed to be) (on|running|turned on) *4
the {appliance} is (off|not on), (switch it on|turn it on|put it on|i want it on) *3
i'm about to (bake|cook|shower), get the (oven|hood|extractor fan) on *2
i'm (baking|making pizza|doing a roast), the oven needs to be on *2
can't (dry|wash) these (clothes|dishes) with the {appliance} off
it would be (nice|good|lovely) to have {device} on *2
{device} would be (nice|good|great|helpful) [right now] *2
let's get (a brew|the kettle|coffee) on *2
we're going to need the {dev} [on] *2
i'd like a nice (hot coffee|cup of tea|espresso), (start the machine|kettle on)
i (could do with|wouldn't mind|'m gasping for|'m desperate for) a (cup of tea|coffee|cuppa|brew) *3
(nan|grandma|mum|dad|{people}) wants (a cup of tea|a coffee|to watch the news|her programme on) *2
the {appliance} isn't on yet, (get it going|start it|i need it) *2
my (hair is wet|clothes are still damp|dishes are piling up), get the (dryer|hair dryer|dishwasher|\
tumble dryer) going *2
i'd like to (bake|roast a chicken|make toast|vacuum seal|print|watch something|play xbox|use the computer|\
iron my shirt) , {dev} on *2
who's for (tea|coffee), kettle on *2
""",
    fragments="""
{device} on *8
the {dev} (please|on please) *2
(kettle|telly|tv|fan|heater|oven|dishwasher) on *3
on with the {dev} *2
{device} [to|at] (full|high|low|max) speed on
{device} start
start {dev}
coffee (please|now|time) *3
tea time, kettle on
(cuppa|brew) time
can (i|we) (have|get) {device} on *4
can (i|we) (have|get) (a coffee|some coffee|a coffee on the go) *2
could (i|we) (have|get) {device} (on|running|started) *2
any chance of (a coffee|a cuppa|getting the {dev} on|{device} on) *2
mind (putting|switching|turning|popping|sticking) {device} on *2
how about (a coffee|some coffee|turning on {device}|a bit of telly) *2
is it possible to (turn|switch|get) {device} on
why don't you (turn|switch) on {device} *2
fan on (high|low|full) *2
{device} on for {duration} *2
power on {device} *2
{device} off, no sorry, on
telly time
""",
    reasons="""
i'm about to (cook|bake|iron|shower|do the washing)
i need (a coffee|hot water|clean clothes)
{people} wants to watch something
there's (smoke|steam) everywhere
{tvshow} is about to start
the {dev} is already loaded
there's no breeze at all
""",
)

DEVICE_OFF = IntentFrames(
    commands="""
(turn*4|switch*3|shut) off {device} *6
(turn*4|switch*3|shut|put|knock|flick|get) {device} off *6
(turn|switch|shut) {device} (back off|off again|off now) *2
(shut down|power down|power off|deactivate|disable|kill|cut|unplug|shut) {device} *5
(stop|quit running|end) (the {dev}|my {dev}|the {room} {dev}) *4
(stop|end) the (washing machine|dishwasher|wash cycle|dryer|spin cycle|sprinklers|watering|irrigation) *3
cut the power (to|on) {device} *3
(take|get) the power off {device}
turn off (the plug|the socket|everything plugged in|whatever is plugged in) {plugwhere} *2
(turn|switch) off (the {dev} and the {dev}|all the appliances|all [of] the plugs|all the screens|all the fans|\
every appliance|all the gadgets) *3
make sure {device} (is off|is switched off|is turned off|isn't on) *4
make {device} (stop|turn off|go off) *2
(don't leave|don't keep|stop leaving) {device} (on|running) *2
(put|send) {device} to (sleep|standby) *2
set {device} to off
turn {device} off (in {min_n} minutes|in half an hour|when it's done) *2
(stop|quit) (heating the oven|boiling the kettle|brewing coffee|the coffee machine|watering the lawn|\
watering the plants|charging the car|drying the clothes) *3
stop {device} (running|spinning|blowing|humming|heating) *3
let's (have|get) {device} off *2
have {device} off [now]
get (rid of|that) {device} noise by turning it off
shut that (fan|tv|telly|hood|dryer|thing in the kitchen) off *2
pull the plug on {device} *2
(turn|switch) off the (tv|telly|television|xbox|playstation|computer|monitor) [{kid} should be in bed|\
and tell {kid} to go to bed] *3
(turn|switch|shut) (the tv|the telly|the computer|the oven|the iron|the heater) off before (you go|bed|it overheats|\
we leave)
(shut|switch|turn) down {device} *2
give {device} a rest *2
(turn|switch) {device} off at the (wall|mains|plug) *2
stop {device} (wasting power|using electricity|going round) *2
""",
    needs="""
(i|you|we|someone|{kid}|i think i|i might have) left {device} (on|running) *7
(i|we) forgot to (turn off the {appliance}|switch off the {appliance}|turn the {appliance} off) *4
(i|we) forgot (about the {appliance}, it's still on|the {appliance} was on) *2
did i leave the {appliance} on, if so (turn|switch) it off *2
(i've|we've|{kid}'s|she's|he's) left the {appliance} (on|running) [again|all day|all night] *3
(nobody's|no one is|nobody is|no one's) (watching|using) {device} [anymore|any more|any longer] *4
(i|we|nobody) (don't need|no longer need|am not using|aren't using) {device} [on] [anymore|any more|right now] *4
i'm (done|finished) (with {device}|ironing|cooking|baking|watching tv|using {device}|in the kitchen so \
the oven can go off) *4
(the|my) (coffee is done|tea is made|toast is done|food is cooked|roast is out|pizza is out|clothes are dry), (turn|\
switch) (it|the {appliance}) off *3
the {appliance} has been (on|running) (for hours|all day|all night|long enough|since this morning) *4
the {appliance} is (overheating|smoking|making a weird noise|making a racket|too noisy|driving me mad|burning|\
sparking|leaking) *4
the {appliance} is (still on|still running|on for no reason|wasting electricity|using too much power|\
eating electricity) *4
why is {device} (still|) (on|running) *4
why is nobody turning off {device}
{people} (is*4|are) asleep in front of the (tv|telly) *2
{people} fell asleep with the (tv|telly|fan|heater|electric blanket) on *2
(that's|it's|that is) enough (tv|telly|television|screen time|xbox|playstation|watering) [for today|for tonight|\
for one day] *3
{people} (has|have) (watched|had) enough (tv|telly|screen time) *2
no more (tv|telly|xbox|playstation|cartoons|screen time|video games) [tonight|for today|for {kid}] *3
(i|we) want {device} (off|turned off|switched off|shut off|to stop) *4
(i'd|we'd) like {device} off [please] *3
{device} (can|should|needs to|must|ought to) (be|go) off [now|by now] *4
{device} (can|should) be (switched|turned) off [now] *2
you can (turn|switch) off {device} [now] *3
the {appliance} doesn't need to be on [anymore] *3
it's raining, (turn|shut|switch) off the (sprinklers|irrigation|watering) *2
it rained so the garden doesn't need (watering|the sprinklers) *2
there's a (draught|draft) from the fan *2
the fan is (too noisy|blowing on me|blowing my papers around|giving me a stiff neck) *3
the kettle's (boiled|boiling over|been boiling for ages)
i can't sleep with {device} (on|running|humming) *2
i smell burning, turn the (oven|iron|stove|toaster) off *2
i don't want {device} on [anymore|when i'm out] *2
the plug {plugwhere} (is hot|smells|feels warm), cut it
(turn|switch) it off, the {appliance}, (it's burning|i'm done|i'm finished|nobody needs it) *2
{people} (forgot|left) the {appliance} (on|again|running) *3
i (can smell|smell) (burning|gas|smoke), (oven|stove|iron|toaster) off *2
we've (finished|gone off|stopped) (watching|using) {device} *2
the {appliance} has (done its job|run long enough|finished) *2
the kids have been on (the xbox|the computer|the tv|the playstation) (all day|for hours|long enough), turn it off *3
the noise of that (fan|dryer|hood|dishwasher|washing machine) is (awful|driving me mad|too much) *2
""",
    fragments="""
{device} off *8
(tv|telly|fan|oven|heater|kettle|ac) off *3
off with the {dev} *2
no {dev} [anymore|please|tonight]
{device} stop
stop {dev}
power off {device} *2
(fan|heater|tv|oven|iron) off [now] please *2
{dev} off in the {room} *3
can (i|we) (have|get) {device} off *3
can {device} go off [now] *2
could {device} be turned off *2
mind (turning|switching|shutting) {device} off *2
any chance of {device} going off
is it possible to (turn|switch) {device} off
why don't you (turn|switch) off {device} *2
{device} on, no wait, off
not on, off, the {dev}
all (appliances|plugs|devices|gadgets|sockets|screens|electronics) off [{where}] *3
""",
    reasons="""
nobody's using it
it's (too noisy|too loud|overheating|wasting power|freezing my feet)
i'm done with it
i'm going out
{people} (is*4|are) (asleep|in bed|out)
the bill is going through the roof
it's been on all day
dinner is ready
""",
)

FRAMES: dict[str, IntentFrames] = {
    "device_on": DEVICE_ON,
    "device_off": DEVICE_OFF,
}
