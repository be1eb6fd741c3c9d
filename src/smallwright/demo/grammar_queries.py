"""Sentence frames that ask about the weather outdoors and about the state of things.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: the temperature indoors.
The borders: outside is weather, inside is temperature; "is it on" is a state, "turn it on" is not.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

WEATHER_QUERY = IntentFrames(
    commands="""
(tell me|give me|read me|check|show me|get me|look up|pull up) (the weather|the forecast|the weather forecast|\
the weather report) [for {forecast_day}|for the weekend|{forecast_day}] *8
(tell me|check|see|find out) (if it's going to (rain|snow|be sunny|be windy|freeze)|whether it will (rain|snow|\
be nice)|if it's raining|what the weather's doing|if i need a coat) [{forecast_day}] *6
(tell me|check) (how (cold|warm|hot) it is outside|the outside temperature|the temperature outside|the \
outdoor temperature|how cold it'll be {forecast_day}) *5
remind me what the weather is like {forecast_day}
""",
    questions="""
what's the (weather|forecast|weather forecast|weather like|weather doing|weather going to be [like]) [{forecast_day}] *9
what (is|'s) the weather (like|looking like|going to do|meant to be|supposed to be|gonna be) {forecast_day} *6
how's the weather [looking] [{forecast_day}|out there] *5
how (is|does) the (weather|forecast) (look|looking) [for] {forecast_day} *3
what's it like (outside|out|out there) [today|right now] *4
what's it doing outside
(is it|will it|is it going to|is it gonna|is it supposed to|is it meant to|might it) (rain|snow|be sunny|be windy|\
be hot|be cold|be foggy|freeze|thunder|storm|be nice|be dry|be warm|hail|clear up|pour) {forecast_day} *9
will it be (sunny|windy|cold|warm|wet|hot|dry|icy|cloudy|nice|frosty) [enough for a barbecue] {forecast_day} *5
is it (raining|snowing|sunny|windy|cold|hot|icy|foggy|cloudy|nice|chilly|wet|freezing|frosty|drizzling|\
humid) (outside|out|out there|out today) *7
is it (raining|snowing|drizzling|pouring|hailing) [right now|yet|again|still] *4
(do i|will i|should i|do we|would i|shall i) need (an umbrella|a coat|a jacket|a raincoat|sunscreen|my wellies|\
a jumper|sunglasses|boots|a scarf|a brolly|my hat) {forecast_day} *7
should (i|we) (take|bring|wear|pack|grab) (an umbrella|a coat|a jacket|a hat|sun cream|gloves|my raincoat|a brolly|\
shorts|a sweater) {forecast_day} *6
what should i wear {forecast_day} *3
what should the kids wear (to school|outside) [today] *2
(can|could) (i|we) (hang|put) the (washing|laundry) (out|outside) [{forecast_day}] *4
is it (a good day|nice enough|dry enough|warm enough) (to|for) (hang out the washing|a picnic|a walk|a barbecue|\
the beach|shorts|cycling|mowing the lawn|a bike ride|sit outside) *4
can we (have a barbecue|eat outside|go to the beach|have a picnic|play outside) {forecast_day} (or will it rain|\
weather wise|with this weather) *3
how (hot|cold|warm) (will it (be|get)|is it going to (be|get)|is it supposed to get) {forecast_day} *6
how (hot|cold|warm|windy|wet) is it (outside|out|out there) [right now|today] *6
what's the temperature (outside|out there|outdoors|going to be {forecast_day}) *5
what will the (temperature|high|low|weather) be {forecast_day} *4
what's the (high|low|chance of rain|chance of snow|uv index|wind speed|humidity outside|pollen count|\
wind like) {forecast_day} *5
when (will|is) (it|the rain|the snow) (stop|going to stop|stop raining|start|clear up|going to start) *4
when is it going to (rain|snow|stop raining|warm up outside|clear up|be sunny again) *3
(any|is there any|is there) (chance of rain|rain|snow|frost|storms|thunder|sunshine|sun|ice) (expected|coming|\
forecast|in the forecast|on the way) [{forecast_day}] *5
are we (getting|expecting|in for|going to get) (any|some|more) (rain|snow|sun|frost|storms|wind|bad \
weather) {forecast_day} *4
is (there a storm|bad weather|a heatwave|snow) (coming|on the way|on its way) *3
is the sun (out|shining|going to come out) [today|yet] *3
will i get (wet|soaked|rained on) (if i walk|if i go out now|on my way to work) *2
will the (game|match|party|picnic|barbecue) be rained (out|off) [{forecast_day}] *2
does it look like rain [{forecast_day}] *2
is it t-shirt weather [today|outside]
are the roads (icy|going to be icy) *2
""",
    needs="""
i (want|need|would like|'d like) (to know the weather|the forecast|to hear the forecast|to know if it'll rain|\
a weather update) [{forecast_day}] *4
i wonder (if it'll rain|if it will snow|what the weather will be|if it's cold outside|what it's like out there|\
if i need a coat) [{forecast_day}] *4
i'm (going for a run|going out|walking the dog|driving to work|off to the beach|hanging out the washing|\
cycling to work), (is it|will it) (rain|raining|cold|cold out|wet|dry) *3
i'm (planning|thinking of) (a picnic|a barbecue|a hike|a walk) {forecast_day}, (how's the weather|what's the forecast|\
will it rain) *3
let me know if it's going to (rain|snow) {forecast_day} *3
i hope it doesn't rain {forecast_day}, what's the forecast
(i'm|we're) (hanging the washing out|going to the park|having a barbecue|flying a kite|off to the \
match), (what's the weather doing|any rain|is it dry) *2
do you think (it'll|it will|we'll) (rain|snow|be warm|get sun|get wet) {forecast_day} *3
tell me what to wear {forecast_day}, (is it cold|weather wise) *2
""",
    fragments="""
weather [forecast|report|update] [for] {forecast_day} *6
(weather|forecast) [please] *3
(forecast|weather) for {forecast_day} *4
(rain|snow|sun|sunny) {forecast_day} *3
(umbrella|coat|jacket|raincoat) or (no umbrella|not|no coat|sunglasses) [{forecast_day}] *2
(today's|tomorrow's|the weekend|saturday's|this week's|tonight's) (weather|forecast) *4
(outside|outdoor) (temperature|temp) *4
temperature outside *3
chance of (rain|snow|sun) {forecast_day} *3
any (rain|snow) {forecast_day} *3
how's it looking (outside|out there) *2
""",
)

STATE_QUERY = IntentFrames(
    commands="""
(check|tell me|see|find out|verify|confirm) (if|whether|that) {thedoor} (is locked|is unlocked|is open|is shut|\
is closed|has been locked) *6
(check|tell me|see|find out) (if|whether) {device} (is on|is off|is still on|is running|has been left on|\
is switched off) *6
(check|tell me|see|find out) (if|whether) {thecover} (are open|are closed|are down|are up|are shut|is open|is closed) *4
(check|tell me|see) (if|whether) ({light} are on|i left {light} on|any lights are on|the {lamp} is on|\
the lights are still on) *5
(check|tell me) (if|whether) (the {security} is on|the {security} is armed|the alarm is armed|the house is secure|\
the heating is on) *4
(check|tell me) (if|whether) (i|we) (locked|left|closed|turned off|shut) (the door|the oven on|{thecover}|the iron|\
{thedoor}) *4
(tell me|show me|list) (which lights are on|what's on|what is switched on|which doors are unlocked|\
which devices are running|what's open|all lights that are on|which windows are open) *5
(tell me|give me) the (status|state) of (the {door}|the {dev}|the {lamp}|the {cover}|the {robot}|the locks|\
the {security}|the house) *5
check (on the {dev}|the status of the {dev}|the locks for me and tell me|the state of the {door}) *4
tell me what('s| is) (on|running|open|unlocked) [{where}] *2
check nothing('s| is) (left on|open|unlocked) [{where}] *2
""",
    questions="""
is {thedoor} (locked|unlocked|open|shut|closed|bolted|still open|still unlocked) [or not|right now|properly] *9
are (the doors|all the doors|both doors|the locks|all the locks) (locked|unlocked|open|closed|shut) [{where}] *5
is {device} (on|off|running|still on|still running|switched on|turned off|done|turned on|on or off) *9
is the {appliance} (on|off|still on|running|switched off|on at the moment) *5
are (the lights|{light}|any lights|all the lights|the {outdoor} lights) (on|off|still on|still burning) [{where}] *7
is (the light|the {room} light|the {lamp}|any light|a light) (on|off|still on|on or off) [{where}] *6
are {thecover} (open|closed|down|up|drawn|shut|still open|still down) *6
is (the garage [door]|the garage|the awning|the {room} blind|the skylight|the window) (open|closed|shut|out|up|down|\
still open) *6
is the (heating|heat|boiler|hot water|wifi|thermostat) (on|off|running|working) [at the moment|now] *4
is the {security} (on|armed|set|active|off|disarmed|activated|switched on) [right now] *6
is the alarm (armed|on or off|active at home) *2
is the {robot} (running|cleaning|charging|docked|still going|done|on its dock|working|stuck|finished|on) *5
is {therobot} (still cleaning|back on its dock|out cleaning|done with the {room}) *3
(has|is) the (washing machine|dishwasher|dryer|laundry|washing|coffee|oven) (finished|done|ready|still going|\
preheated) [yet] *5
has the (dishwasher|washing machine|dryer) stopped *2
did (i|we|you|{kid}|someone|anyone) (lock|unlock) {thedoor} *6
did (i|we|you|{kid}|anyone) (close|shut|open) {thecover} *4
did (i|we|{kid}|someone|anyone|i remember to) (leave|turn off|switch off|turn on) {device} [on|off] *4
did (i|we|{kid}|someone) leave (the {appliance}|{light}|any lights|the {dev}|the garage open and the {appliance}) on *6
did (i|we|someone) leave (the garage|the back door|a window|the {door}) (open|unlocked) *4
have (i|we|you) (locked|closed|shut|turned off|left on|switched off) (the {door}|the {appliance}|the {cover}|\
everything|the {lamp}) *5
(what|which) (lights|lamps|devices|appliances|things) are (on|off|still on|running) [{where}] *5
which (doors|windows|blinds|locks) are (open|unlocked|closed|locked) [right now] *4
what's (still on|open|running|turned on|switched on) [{where}] *3
(are|is) (any|any of the) (windows|doors|lights|blinds|door|window|lamp|curtains) (open|unlocked|on|still open|\
still on) [{where}] *5
is (anything|something) (on|still on|switched on|running|open|left on) [{where}] *4
is everything (locked|off|closed|locked up|switched off|shut) [{where}] *4
is (the house|the place|everything|downstairs) (locked up|secure|all locked|all closed up) *3
(was|were) (the door|{device}|{light}|the {door}|the {cover}) (left on|left open|locked|on|open|unlocked) [all night|\
when i left|all day] *4
what's the (status|state) of (the {door}|the {dev}|the {lamp}|the {cover}|the {robot}|the locks|the {security}) *5
what (state is {device} in|is the {robot} doing|is the {dev} doing) *3
are you sure {thedoor} is (locked|closed|shut) *2
is there (a light|anything|something) (on|still on|left on) {where} *3
does {device} (have power|still run|happen to be on) *2
is {device} on or did i turn it off *2
{thedoor} is (locked|closed|shut), (right|isn't it) *3
{device} is off, (right|isn't it) *2
are the kids still (watching tv|on the xbox) [is it on] *1
is the (tv|radio|music|oven|fan) still on {where} *3
is it locked [at the back|out the front] *2
""",
    needs="""
i (can't|don't) remember (if|whether) (i|we) (locked {thedoor}|left the {appliance} on|turned off the {appliance}|\
closed {thecover}|shut {thedoor}|switched off {light}) *6
i('m not sure| don't know|'ve forgotten) (if|whether) (i|we) (locked {thedoor}|left the {appliance} on|\
turned off the {appliance}|closed {thecover}|shut the garage) *5
i (wonder|was wondering) (if|whether) (i left the {appliance} on|{thedoor} is locked|the {appliance} is still on|\
{light} are on|{thecover} are closed) *4
i (want|need|would like) to know (if|whether) ({thedoor} is locked|{device} is on|{thecover} are open|\
the {security} is on|any lights are on) *5
i'm worried (i left the {appliance} on, is it|i didn't lock {thedoor}, did i|the {appliance} might be \
on, can you check) *4
i have a feeling i left the {appliance} on, (did i|is it on|can you check) *3
let me know (if|whether) ({thedoor} is locked|{device} is on|the {appliance} is running|{thecover} are down) *4
i think i (left the {appliance} on|forgot to lock {thedoor}), (did i|can you check|is that right) *4
just (checking|making sure) ({thedoor} is locked|the {appliance} is off|everything's locked|{thecover} are closed) *3
i can't (tell|see from here) (if|whether) {thedoor} is (locked|shut|open) *2
did (anybody|the kids|{kid}) remember to (lock|close|shut) ({thedoor}|{thecover}) *3
i (thought|could swear) i (turned off the {appliance}|locked {thedoor}), (did i|is it) *2
have (the kids|you|we|i) (locked|shut|bolted) {thedoor} *3
""",
    fragments="""
{thedoor} (locked|open|closed|shut)? *3
(oven|iron|stove|heater|tv|kettle|fan) (on or off|still on|off)? *3
(lights|{light}) (still on|on or off)? *2
(garage|back door|front door|door|window) (open or closed|locked or not|open or shut|locked or unlocked) *4
(status|state) of (the {door}|the {dev}|the {cover}|the {robot}|{light}|the {security}) *4
{dev} status *2
{door} status
{security} status
which lights on [{where}] *2
(anything|any lights|any windows) (left on|still on|left open) *3
do you know (if|whether) ({thedoor} is locked|the {appliance} is on|{light} are on|{thecover} are shut) *4
can you (see|check|tell) (if|whether) ({thedoor} is locked|the {appliance} is (on|off|still on)|i left {light} on|\
{thecover} are closed|{device} is running) *5
could you (check|see|tell me) (if|whether) ({thedoor} is locked|the {appliance} is off|{device} is running|\
{light} are off) *4
""",
)

FRAMES: dict[str, IntentFrames] = {
    "weather_query": WEATHER_QUERY,
    "state_query": STATE_QUERY,
}
