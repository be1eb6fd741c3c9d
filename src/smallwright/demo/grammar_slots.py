"""The word tables of the demo grammar: rooms, lamps, appliances, values, times, foods, people.

What enters: nothing. What leaves: ``SLOTS``, table name to template (see ``grammar_expander``), in a fixed order.
Not here: whole sentences (the frame tables) and politeness (``grammar_style``).
"""

from __future__ import annotations

PLACES = {
    "room": """
        kitchen*6|living room*5|lounge*3|bedroom*6|bathroom*4|hallway*3|hall*2|office*3|study*2|dining room*3
        |nursery*2|kids room|kids' bedroom|baby's room|guest room|spare room|basement*2|cellar|attic|loft
        |conservatory|landing|utility room|laundry room|playroom|den|family room|master bedroom|garage*2
        |sitting room*2|toilet|loo|ensuite|front room|back room|main bedroom|pantry|library|gym|studio|sunroom
        |entryway|mudroom|stairwell|closet|children's room|workshop|shed|{kid}'s room*4|{kid}'s bedroom|my room*2
        |our bedroom|top floor|ground floor""",
    "kid": """
        emma|jack|leo|mia|sam|lily|tom|anna|ben|ella|max|sophie|oliver|grace|noah|the kid|the baby|my son
        |my daughter|my brother|my sister|mum|mom|dad|grandma|grandad|granny|nan|the boy|the girl""",
    "outdoor": """
        garden*3|porch*3|patio*3|driveway*2|backyard*2|back yard|front yard|balcony*2|deck|drive|terrace
        |front garden|back garden|carport|pool""",
    "where": """
        in the {room}*6|in here*4|upstairs*2|downstairs*2|in {kid}'s room|in the {room} and the {room}
        |on the {outdoor}|in my room|up here|down here|in the whole house|everywhere|over there|at the back""",
    "inroom": """
        in the {room}*6|in here*5|upstairs|downstairs|in this room*2|in {kid}'s room|up here|in this house
        |in my room""",
    "people": """
        the kids|the children|the baby|{kid}|my husband|my wife|my mum|my mom|the guests|our friends|grandma|he|she
        |the dog|my partner|my flatmate|the little one|my roommate""",
}

LIGHTS = {
    "lamp": """
        lamp*4|bedside lamp*2|desk lamp*2|floor lamp*2|ceiling light*2|reading light|reading lamp|night light*2
        |fairy lights*2|christmas lights|spotlights|chandelier|table lamp|big light*2|under cabinet lights|led strip
        |strip lights|string lights|porch light*2|bulb|pendant|garden lights|wall lights|standard lamp|downlights
        |lava lamp|outside lights*2|outside light|overhead light|main light*2|mirror light|nightlight|bedside light
        |corner lamp|reading lights|security light|hob light|lantern|tree lights|leds|sofa lamp|side lamp
        |counter lights|stair lights|hue lights|light over the {spot}|light by the {spot}|lamp by the {spot}
        |lamp next to the {spot}""",
    "spot": """
        sofa|table|sink|stove|bed|window|front door|back door|mirror|stairs|desk|couch|dining table|tv|cooker
        |fireplace""",
    "light": """
        the lights*6|the light*5|the {room} lights*5|the {room} light*4|the lights in the {room}*3
        |the light in the {room}*3|the {lamp}*6|the {lamp} in the {room}|the {outdoor} lights|the {outdoor} light
        |all the lights*2|all lights|every light|lights|{room} lights*2|{room} light|the lights {where}
        |the light {where}|my {lamp}|both lamps|the {room} lamp|the {room} and {room} lights|the {room} lamps
        |the upstairs lights|the downstairs lights|the {room} lighting|these lights|this light|that lamp|my lights
        |the lamps|our lights""",
    "lights_are": """
        the lights are*4|the light is*4|the {room} lights are*2|the {room} light is*3|the {lamp} is
        |the lights in the {room} are|this light is*2|these lights are|that lamp is|the light in the {room} is""",
    "colour": """
        red*4|blue*5|green*4|purple*3|pink*3|orange*3|yellow*2|white*2|turquoise|teal|violet|magenta|cyan|lilac
        |lavender|amber|gold|peach|indigo|coral|lime green|dark blue|light blue|sky blue|deep red|hot pink|mint|aqua
        |rose|navy blue|bright red|soft pink|pale yellow|emerald|crimson|ocean blue|forest green|baby blue|salmon
        |maroon""",
    "white": """
        warm white*4|cool white*3|daylight*2|soft white*2|cold white|warm yellow|candlelight|candle light
        |neutral white|warm light|warmer*2|cooler|natural light|bright white|pure white|ivory|a warm glow
        |a warmer tone|a cooler tone|a cooler white|a warmer white|2700 kelvin|3000k|4000 kelvin|6500k
        |a sunset colour|warm amber""",
    "anycolour": "{colour}*5|{white}*2|{colour} and {colour}",
    "color": "colour*3|color*4",
    "thing_colour": """
        the ocean|a sunset|the sea|grass|a rose|the sky|lava|a lemon|christmas|halloween|a rainbow|fire|a pumpkin
        |a strawberry|the rainforest|easter|the northern lights|st patrick's day|valentine's day""",
}

DEVICES = {
    "dev": """
        fan*5|tv*6|telly*2|television*2|kettle*5|heater*4|coffee machine*4|coffee maker*3|washing machine*3
        |dishwasher*3|dryer*2|tumble dryer|oven*3|iron*2|toaster|air purifier*2|humidifier*2|dehumidifier
        |sprinklers*2|sprinkler|extractor fan*2|ceiling fan*3|air con*2|ac*3|air conditioner*2|air conditioning
        |plug*2|smart plug*2|socket|outlet|computer|pc|monitor|printer|xbox|playstation|games console|projector*2
        |hair dryer|slow cooker*2|rice cooker|microwave|hot tub*2|space heater*2|fan heater|electric blanket*2
        |fireplace*2|water heater*2|boiler|immersion heater|towel rail*2|fish tank pump|pool pump*2|irrigation
        |bathroom fan|cooker hood|hood|charger|router|wifi|espresso machine*2|washer*2|range|stove|air fryer
        |bread maker|desk fan|floor fan|patio heater|towel warmer|tv box|game console|treadmill|diffuser|water pump
        |fountain|garden hose|cooker|hob|instant pot|electric heater|radiator fan|power strip|extension lead
        |laptop charger|oil diffuser|whirlpool|sauna*2""",
    "device": """
        the {dev}*9|the {dev} in the {room}*2|the {room} {dev}*3|my {dev}|{dev}*2|{kid}'s {dev}|that {dev}
        |the {dev} {where}|the {dev} and the {dev}|the {room} plug|the plug {plugwhere}|the socket {plugwhere}
        |our {dev}""",
    "plugwhere": """
        behind the tv|by the bed|next to the sofa|in the corner|under the desk|on the worktop|by the window""",
    "appliance": """
        oven*4|iron*4|stove*3|kettle|heater*3|tv*3|telly|washing machine*3|dryer*3|dishwasher*3|fan*3|ac*2
        |coffee machine*2|hair straighteners|straighteners|sprinklers|boiler|toaster|air conditioner|cooker|hob
        |slow cooker|electric blanket|space heater|air fryer|humidifier|hot tub|computer|pool pump|air purifier""",
    "brew": """
        coffee*4|a coffee*3|an espresso|a cappuccino|a pot of coffee*2|a fresh pot of coffee|a brew
        |a cup of coffee*2""",
    "tvshow": """
        the game|the news*2|the match|the football|my show|my programme|cartoons|bake off|the cricket|the race
        |my soap|the olympics""",
    "robot": """
        vacuum*5|hoover*4|roomba*4|robot vacuum*3|robot*2|vacuum cleaner*3|vac|robovac|robot hoover|cleaning robot
        |vacuum robot|robot cleaner|henry|rumba|roborock|cleaner""",
    "therobot": "the {robot}*8|my {robot}|{robot}|that {robot}|our {robot}",
    "floor": "floor*4|floors*3|carpet*3|rug*2|{room} floor*4|{room} carpet|kitchen tiles|hallway rug|wooden floor",
    "mess": """
        crumbs*4|dog hair*3|cat hair*3|dust*2|dirt*2|glitter|sand|biscuit crumbs|cereal|pet hair*2|mud|flour|popcorn
        |rice|dust bunnies|fluff|cat litter|bits|cookie crumbs|breadcrumbs|sugar|confetti|crisps""",
}

VALUES = {
    "pct_n": "10*3|20*4|25*2|30*4|40*3|50*6|60*3|70*3|75*2|80*3|90*2|5|15|35|45|65|85|1|33|55|95",
    "pct_w": "ten|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|twenty five|seventy five|fifteen|thirty five",
    "pct": "{pct_n}%*5|{pct_n} percent*3|{pct_w} percent*3|{pct_n} per cent|{pct_n} %",
    "level": "{pct}*8|half*3|a quarter|maximum|minimum|max|full|medium|low|high|the lowest setting|{pct_n}",
    "deg_n": """
        16|17*2|18*4|19*4|20*5|21*6|22*5|23*3|24*3|25|26|64|65*2|66|68*4|69|70*4|71|72*4|73|74|75|19.5|20.5|21.5""",
    "deg_w": """
        sixteen|seventeen|eighteen*2|nineteen*2|twenty*3|twenty one*3|twenty two*2|twenty three|twenty four
        |twenty five|sixty eight*2|seventy*2|seventy two*2|sixty five|seventy five|twenty and a half""",
    "deg": """
        {deg_n}*3|{deg_n} degrees*5|{deg_w} degrees*3|{deg_w}*2|{deg_n}°|{deg_n}c|{deg_n} celsius|{deg_n}°c
        |{deg_n} degrees celsius|{deg_n} degrees fahrenheit|{deg_n}f""",
    "few_deg": """
        a degree*2|one degree*2|two degrees*3|a couple of degrees*3|a few degrees*3|3 degrees|2 degrees*2|5 degrees
        |three degrees|a notch*2|a touch|half a degree|one or two degrees|a bit*3|a little*2|a little bit""",
    "vol": "1|2|3*2|4*2|5*4|6*2|7*2|8|9|10*2|11|20|25|30*2|40*2|50*2|60|70|80|three|five|ten|two|seven|eight|{pct}*5",
    "bit": """
        a bit*6|a little*4|a little bit*3|a tad|slightly*2|a touch|a notch|just a bit|a wee bit|a fair bit
        |a lot""",
}

TIMES = {
    "min_n": "1|2*2|3*3|4*2|5*5|6|7*2|8*2|9|10*6|11|12*3|14|15*5|18|20*5|22|25*3|30*4|35|40*2|45*3|50|60|90",
    "min_w": """
        two|three*2|four|five*4|six|seven|eight*2|nine|ten*4|eleven|twelve*2|fifteen*3|twenty*3|twenty five*2
        |thirty*2|forty|forty five*2|ninety""",
    "minutes": "minutes*7|mins*2|min|minuets",
    "duration": """
        {min_n} {minutes}*7|{min_w} {minutes}*5|{min_n} seconds|30 seconds*2|90 seconds|thirty seconds|an hour*3
        |one hour|half an hour*3|an hour and a half*2|two hours*2|2 hours|3 hours|quarter of an hour*2|1 hour
        |a minute*2|one minute|a couple of minutes|1 hour and {min_n} minutes|an hour and {min_n} minutes
        |three hours|two and a half minutes|forty five seconds|1h|{min_n}m|a quarter of an hour
        |three quarters of an hour""",
    "dur_adj": """
        {min_n} minute*6|{min_w} minute*5|30 second|one hour*2|two hour|half hour*2|1 hour|90 second
        |{min_n}-minute*2|{min_n} min*2|thirty second|hour long""",
    "timer_for": "{dish}*5|{pursuit}*2|oven*1|washing|laundry",
    "dish": """
        pasta*4|eggs*4|egg*2|pizza*4|cake*3|rice*3|bread*2|cookies*3|chicken*3|tea*2|roast*2|potatoes*2|lasagna
        |lasagne|biscuits|fish|stew|turkey|spaghetti*2|veg|broccoli|soup|dough|steak*2|ribs|muffins|chips|fries
        |noodles|casserole|pie|beans|dumplings|quiche|brownies|sourdough|chili|porridge|scones|ham|roast beef""",
    "pursuit": """
        nap|homework*2|workout*2|screen time*2|meditation|hair dye|face mask|study session|playtime|bath|break
        |plank|tv time|time out|tooth brushing|piano practice|reading time|game|exercise""",
    "hour_n": "5*2|6*5|7*6|8*5|9*3|10|4|11",
    "hour_w": "five*2|six*5|seven*6|eight*5|nine*3|ten|four",
    "clock": """
        {hour_n}*4|{hour_n} am*4|{hour_n}am*4|{hour_w}*4|{hour_n}:30*4|{hour_n}:15*2|{hour_n}:45*2
        |half past {hour_w}*4|half {hour_w}*2|quarter past {hour_w}*2|quarter to {hour_w}*2|{hour_w} thirty*3
        |{hour_w} fifteen|{hour_w} forty five|{hour_n} o'clock*4|{hour_w} o'clock*3|0{hour_n}:00|0{hour_n}:30
        |{hour_n}:20|{hour_n}.30|{hour_n}:30 am*2|{hour_n}:05|{hour_w} in the morning*3|{hour_n} in the morning*2
        |{hour_n} a.m.|ten to {hour_w}|twenty past {hour_w}|noon|3 in the afternoon|4 pm|five to {hour_w}
        |{hour_n}:50|{hour_w} a m|twenty to {hour_w}|{hour_n} sharp""",
    "weekday": "monday*3|tuesday*2|wednesday|thursday|friday*2|saturday*2|sunday*2",
    "alarm_day": """
        tomorrow*6|tomorrow morning*6|in the morning*4|on {weekday}*3|for {weekday}|every day*2|every weekday*2
        |on weekdays*2|on saturday|this {weekday}|each morning|on {weekday} morning|for work|for school
        |for the weekend|on weekends|the day after tomorrow|every {weekday}|monday to friday""",
    "forecast_day": """
        today*6|tomorrow*6|this weekend*3|tonight*3|this afternoon*3|later*2|on {weekday}*3|this evening*2
        |next week*2|this week|in the morning|tomorrow morning|tomorrow afternoon|right now*2|later today
        |at lunchtime|outside*3|for the weekend|over the next few days|on the weekend|for tomorrow""",
}

LIFE = {
    "door": """
        front door*7|back door*6|door*5|side door*2|garage*2|garage door|patio door*2|kitchen door|main door|gate
        |porch door|shed|cellar door|basement door|garden gate|doors*3|entrance|front entrance|balcony door|deadbolt
        |sliding door|french doors|outside door|apartment door|office door|back gate|house door|entry door|bolt""",
    "thedoor": """
        the {door}*9|the {door} and the {door}|all the doors*2|my {door}|{door}|both doors|every door|our {door}""",
    "caller": """
        the plumber*2|the cleaner*3|the delivery guy*2|mum*2|my mom*2|my sister|the dog walker|the babysitter
        |grandma|grandpa|dad|the postman|the neighbour|the neighbor|my brother|the kids*2|{kid}*2|the electrician
        |a friend|the courier|my friends|the nurse|the carer|aunt mary|the amazon man|the gas man|the guests*2
        |my girlfriend|the nanny|my parents""",
    "visitor": "{caller}*18|him|her|them",
    "cover": """
        blinds*7|curtains*6|shutters*4|shades*3|awning*2|garage door*4|blind*2|roller blinds|drapes*2
        |roller shutters|venetian blinds|roman blinds|window shades|skylight|blackout curtains|blackout blinds
        |sun shade|shade|windows|sunblinds|jalousies|garage|window*2""",
    "thecover": """
        the {cover}*8|the {room} {cover}*4|the {cover} in the {room}*2|all the {cover}*2|{cover}|the {cover} {where}
        |the patio awning|every blind|both {cover}|my {cover}|the {room} and {room} blinds|all blinds|{room} {cover}""",
    "genre": """
        jazz*4|rock*3|classical*3|pop*3|blues*2|reggae*2|hip hop*2|country*3|techno|house|soul*2|funk|metal|folk
        |indie*2|r and b|rap|ambient*2|disco*2|salsa|punk|opera|lo-fi*2|lofi|80s*2|90s*2|eighties|sixties|seventies
        |electronic|gospel|k-pop|latin|bossa nova*2|swing|acoustic|heavy metal|christmas*2|piano|relaxing*2|chill*2
        |upbeat|dance|kids|party|dinner|background|old school|baroque|motown|calm|happy|sleepy|instrumental
        |smooth jazz|workout""",
    "artist": """
        the beatles*2|abba*2|taylor swift*2|queen*2|adele*2|beethoven|mozart|bach|ed sheeran|miles davis|elvis*2
        |madonna|coldplay|pink floyd|beyonce|bob dylan|david bowie|nina simone|fleetwood mac*2|johnny cash
        |frank sinatra*2|the rolling stones|stevie wonder|radiohead|vivaldi|michael jackson|drake|rihanna|chopin
        |bob marley|dolly parton|the bee gees|oasis|bruce springsteen|ella fitzgerald|billie eilish|metallica
        |daft punk|dua lipa|cliff richard""",
    "playlist": """
        my playlist*3|my workout playlist|my favourites|my favorite songs*2|my liked songs|the party playlist
        |my morning playlist|my running playlist|our song|my favourite album|my dinner playlist|spotify*2
        |the sleep playlist|that song i like|the radio*3|radio {n4}|bbc radio {n4}|my favourite station|classic fm
        |the kids' songs|a podcast*2|my podcast|an audiobook|lullabies*2|white noise|rain sounds
        |the frozen soundtrack|nursery rhymes*2|baby shark|some christmas carols|the top 40
        |the new album by {artist}|a song by {artist}*2|something by {artist}*3|whale songs
        |the greatest hits of {artist}|the soundtrack of grease|the wheels on the bus|my audiobook|let it go""",
    "n4": "1|2|3|4|one|two|four",
    "playing": """
        the music*7|the song*3|the radio*2|the playlist|this song*3|the podcast*2|the audiobook|the tunes*2
        |spotify*2|that song|this track|the album|this music*2|playback*2|the album|my music|that racket|this racket""",
    "sound": """
        the music*5|the volume*5|it*5|the sound*2|the tv*4|the telly*2|the speaker*3|the speakers*2|the radio*2
        |the song|the stereo|the tv volume*2|the music {where}|the sound on the tv|the speaker {where}
        |the television|this|the podcast|that""",
    "item": """
        milk*5|bread*4|eggs*4|butter*3|cheese*3|coffee*3|tea bags*2|teabags|sugar*2|flour|toilet paper*3|loo roll*2
        |bin bags*2|washing up liquid*2|dish soap|bananas*3|apples*2|tomatoes*2|onions*2|potatoes*2|pasta*2|rice*2
        |chicken*2|dog food*3|cat food*3|nappies*2|diapers*2|toothpaste*2|shampoo*2|batteries*2|olive oil*2|yoghurt
        |yogurt*2|orange juice*2|cereal*2|kitchen roll|paper towels*2|detergent|washing powder|dishwasher tablets
        |salt|pepper|garlic|lemons|carrots|ice cream*2|crisps|chips|biscuits*2|cookies|chocolate*2|wine*2|beer*2
        |water|oat milk*2|ham|bacon|sausages|fish fingers|lettuce|cucumber|avocados*2|mushrooms|strawberries|grapes
        |honey|jam|peanut butter*2|ketchup*2|mayo|soap|tissues|light bulbs|minced beef|ground beef|salmon|tofu|cream
        |soy sauce|wraps|bagels|crackers|nuts|baby wipes|hand soap|sponges|tin foil|cling film|aluminum foil|candles
        |a birthday card|cat litter|vinegar|spaghetti|soda|lemonade|juice boxes|porridge oats|granola|spinach
        |broccoli|peppers|sweetcorn|tuna|baked beans|trash bags|stock cubes|cinnamon|cough syrup|plasters|deodorant
        |razor blades|fabric softener|bleach|almond milk|cottage cheese|frozen peas|pizza|maple syrup|bubble bath""",
    "amount": """
        a pint of|two pints of|a loaf of|a dozen|some*4|more*3|a bag of|a bottle of*2|two bottles of|a pack of
        |a packet of|a box of|six|a kilo of|half a pound of|a carton of|a jar of|two|a couple of|3|a pound of
        |a tin of|a gallon of""",
    "items": """
        {item}*9|{item} and {item}*4|{item}, {item} and {item}*2|{amount} {item}*4|{amount} {item} and {item}
        |{item} {item} and {item}""",
    "list": """
        the shopping list*6|the grocery list*3|my shopping list*3|the list*5|my list|our shopping list
        |the groceries list|my grocery list|the food list|the weekly shop|the supermarket list|the shopping
        |our grocery list""",
    "shop": """
        the shop|the shops|the store*2|tesco|the supermarket*2|aldi|costco|the market|the corner shop|walmart
        |the grocery store""",
    "scene": """
        movie*5|film*2|cinema*2|party*4|romantic*4|dinner*3|relax*3|relaxing*2|reading*3|good night*3|goodnight*2
        |bedtime*3|night*3|morning*3|good morning*2|away*2|holiday*2|vacation*2|work*2|focus*2|study*2|gaming*3
        |cosy*2|cozy*2|christmas*2|halloween|birthday|date night*3|movie night*4|chill*2|guest*2|cleaning|yoga*2
        |meditation*2|sleep*3|wake up|welcome home*2|home|leaving home|leaving|evening*2|sunset|spa*2|bath time
        |nap time|story time|breakfast|cooking|game night|family dinner|tv|energise|concentration|homework|summer
        |winter|sunday morning|barbecue|bbq|candlelight dinner|storytime|disco|sports day""",
    "modeword": "mode*7|scene*6|setting*2|mood*2|routine*3|preset|atmosphere|ambience|vibe",
    "thescene": "{scene} {modeword}*7|the {scene} {modeword}*5|{scene} time|the {modeword} for {activity}",
    "activity": """
        watching a film|a movie|movie night|reading|a party|dinner|a romantic dinner|bed|sleeping|yoga|studying
        |gaming|date night|working|relaxing|bath time|story time|guests|a cosy evening|a quiet night in|breakfast
        |a nap|meditation|the big game""",
    "scenefor": "party|romantic dinner|date|movie|dinner|film|quiet evening|relaxing bath|celebration|party tonight",
    "security": """
        alarm system*4|security system*5|burglar alarm*5|house alarm*5|security alarm*3|home alarm|intruder alarm*2
        |home security*3|alarm panel|security*2|house security|motion sensors|perimeter alarm|home security system*2
        |anti theft alarm""",
}

SLOTS: dict[str, str] = {
    name: "|".join(part.strip() for part in table.split("|"))
    for group in (PLACES, LIGHTS, DEVICES, VALUES, TIMES, LIFE)
    for name, table in group.items()
}
"""Every table of the grammar; line breaks inside a table mean nothing."""
