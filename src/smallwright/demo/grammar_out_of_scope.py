"""Sentence frames that belong to none of the demo's intents, for calibrating how sure a model is.

What enters: nothing. What leaves: ``FRAMES``. Not here: a class; nothing trains on these as a label.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

FRAMES = IntentFrames(
    commands="""
tell (me|us|{kid}) a (joke|story|fun fact|riddle|ghost story) [about (cats|pirates|school|the moon|{item})]
(call|ring|phone|text|message|email) ({visitor}|my boss|the doctor|the bank|the dentist|the school)
(send|write) (a message|an email|a text) to {visitor} [saying (i'm late|happy birthday|see you soon)]
(book|order|reserve) (me|us) (a taxi|a table for {n4}|a hotel|a haircut|a flight to (rome|paris|madrid)|concert tickets)
(translate|say) (good evening|thank you|where is the station|cheese) (in|into) (french|german|spanish|japanese|italian)
(read|open) (my (emails|messages|calendar)|the headlines|the newspaper|a chapter of my book)
(spell|define|pronounce) (necessary|rhythm|onomatopoeia|conscience|quinoa)
(transfer|send|pay) (fifty pounds|twenty dollars|100 euros) to {visitor}
(calculate|work out|what is) {min_n} times {min_n}
find (me|us) a (recipe|good restaurant|vet|plumber|petrol station) [nearby|for {item}]
(flip a coin|roll a dice|pick a number|choose a card)
(take|show) (a photo|a selfie|me pictures of (dogs|mountains|paris))
(schedule|move|cancel) (my meeting|my dentist appointment|the interview|lunch with {kid}) [on {weekday}]
(recommend|suggest) (a book|a film|a present for {kid}|a name for my cat|a good series)
(convert|change) {min_n} (miles|pounds|inches|ounces) (to|into) (kilometres|kilos|centimetres|grams)
(buy|sell) (some shares|bitcoin|my car|two train tickets)
(order|get) (me|us) (a pizza|some sushi|a takeaway|an indian)
track my (parcel|order|package|flight)
(help me with|check) my (homework|spelling|tax return|essay|crossword)
(give me|plan) (directions|a route|the way) to (the station|the hospital|london|work)
""",
    needs="""
i (feel|am feeling) (sad|lonely|bored|a bit sick|great) today
my (back|head|knee|tooth) (hurts|is killing me)
i love you
you're (funny|very clever|useless|my best friend)
i (think|believe) (the earth is round|{kid} is lying|i need a new job|my phone is broken)
(thank you|thanks), that's all (for now|i needed)
i want to (learn the guitar|go to spain|lose weight|quit my job|get a dog)
the (car|phone|laptop|printer|washing machine) (won't start|needs repairing|is out of warranty)
{kid} (lost a tooth|won the race|has a fever|failed maths|starts school on {weekday})
our (team|side) (won|lost) on {weekday}
my password (expired|doesn't work)
""",
    questions="""
(who|what|when|where|how) (is|was) (the president|the capital of (peru|australia|kenya)|the battle of hastings|\
the tallest mountain|shakespeare)
(how far|how long a drive) is (the moon|it to (london|the airport|grandma's)|paris)
how (tall|old|rich) is (the eiffel tower|the queen|tom cruise|the universe)
what('s| is) the (meaning of life|time in (tokyo|new york)|date|capital of (france|brazil)|square root of {min_n}|\
exchange rate)
what time (is it|does (the shop|tesco|the bank|the pool) (open|close)|does the train leave)
(do|can|could) you (speak french|dream|feel pain|drive|cook|love me|dance)
who (won|is winning|scored in) the (match|world cup|election|oscars|race)
how do (i|you) (boil an egg|tie a tie|remove a wine stain|fix a flat tyre|bake bread|make {item})
how many (calories|carbs) (in|are in) {item}
how many (planets|people|countries|bones) are there
is (there|this) (a pharmacy nearby|milk in a latte|a holiday on {weekday}|traffic on the motorway)
(where did i|where have i) (put|left) my (keys|glasses|phone|wallet)
what's on my (calendar|schedule|diary) [{forecast_day}]
why (is the sky blue|do cats purr|is the sea salty|are you called that)
when is (easter|mother's day|{kid}'s birthday|the next bus|the full moon)
did (arsenal|the lakers|england|my team) win [last night]
are you (a robot|a real person|listening to me|married|always recording)
what's your (name|favourite film|favourite animal)
which (film|book|phone) should i (see|read|buy)
""",
    fragments="""
(hello|hi) there
what's up
(football|rugby|cricket) (scores|results)
(latest|sports|business) news headlines
stock price of (apple|tesla|google)
synonym for (happy|big|quick)
(bus|train) times to (town|work|london)
translation of (butterfly|spoon)
recipe for ({item} soup|pancakes|{item} salad)
never mind
blah blah blah
""",
)
