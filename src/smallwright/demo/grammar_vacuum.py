"""Sentence frames about the robot vacuum.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: other appliances.
The border: a dirty floor asks for the robot, a robot that is loud or stuck asks for its dock.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

VACUUM_START = IntentFrames(
    commands="""
(start|run|launch|turn on|switch on|activate|fire up|get out|send out|deploy|unleash|release) {therobot} *7
(start|begin) (vacuuming|hoovering|cleaning the floor[s]|cleaning the carpet|a cleaning cycle|sweeping|\
the cleaning run|a clean) [{where}] *5
(vacuum|hoover|sweep|clean) the {room} *6
(vacuum|hoover|sweep|clean) (the {floor}|the {floor}|upstairs|downstairs|everywhere|the whole house|under the {spot}|\
under the bed|the house|the rug) *6
(vacuum|hoover) [up] the {mess} [{where}|under the {spot}] *4
(vacuum|hoover|clean) up [the {mess}|this mess|the crumbs under the {spot}] [{where}] *4
(send|have|get|tell|ask|let|make) {therobot} [to] (clean|vacuum|hoover|do|sweep) (the {room}|the {floor}|upstairs|\
under the {spot}|the house) *6
(send|let) {therobot} (out|loose|round|around|to the {room}|into the {room}) *5
get {therobot} (going|started|to work|on it|out|to clean up|moving|running) *4
(tell|ask|have|get) {therobot} to (start|start cleaning|get to work|clean up|get going|do its thing|do a round) *4
(give|do) the {room} a (quick|good|proper|once over with the vacuum|quick once over with the|vacuum and) (hoover|\
vacuum|clean with the robot) *2
give the (carpet|floor|{floor}|rug) a (hoover|vacuum|quick hoover|good vacuum|once over with the robot|quick vacuum) *4
(do|clean|sweep) the (floors|carpets|kitchen floor|hallway floor|floor) [with {therobot}] *3
(start|do|run) a (spot clean|deep clean|quick clean|full clean|cleaning) [{where}] [with {therobot}] *2
suck up (the {mess}|that {mess}|the dirt) [{where}] *2
(resume|continue|carry on) (cleaning|vacuuming|hoovering|the vacuum job|with the vacuuming) *2
set {therobot} (off|going|to work|to clean the {room}) *3
let's (vacuum|hoover|get the floors done|get the {room} vacuumed) *2
have the {room} (vacuumed|hoovered) *2
run the {robot} (while i'm out|in the {room}|for {duration}|over the {floor}|when we leave) *3
put {therobot} (on|to work|on the {floor}) *3
(get|give) (these|the) floors (done|cleaned|a going over) *2
(have|let) (the|our) {robot} (get|pick) up the {mess} *3
""",
    needs="""
(there's|there are|we have|i dropped|i spilled|i spilt|{kid} dropped|{kid} spilled|look at all that|\
i've got) {mess} (all over|on|everywhere on) the {floor} *6
(there's|there are|we've got) {mess} (everywhere|all over the place|under the {spot}|in the {room}|by the {spot}) *5
(i|{kid}|the dog|the cat) (dropped|spilled|spilt|knocked over) (the|some|a whole box of|a bowl of) (cereal|sugar|\
flour|rice|popcorn|crisps|plant pot) *3
the {floor} (is|looks) (filthy|dirty|dusty|disgusting|grubby|a mess|full of {mess}|covered in {mess}|gross|manky) *6
the {room} (floor|carpet|rug) (needs|could do with|could use) (a clean|cleaning|vacuuming|a vacuum|a hoover|hoovering|\
a sweep) *5
the {room} (needs|could do with|wants) (vacuuming|hoovering|a hoover|a vacuum|a good vacuum) *5
(i|we) (want|need|would like|'d like) (the {room}|the {floor}|the whole house|upstairs) (vacuumed|hoovered|swept|\
cleaned by the robot) *4
(i|we) (want|need|would like) {therobot} to (start|clean|do the {room}|come and clean|get going|run) *4
(it's|it is) time (to vacuum|to hoover|for the {robot} to do its job|for the {robot} to clean|for a vacuum) *3
{therobot} (should|can|could|needs to|may) (clean|do|start on|have a go at) the {room} [now] *4
{therobot} can (start|go|come out|get to work) [now] *3
{people} (made|has made|left) (a mess|crumbs everywhere) (on the floor|on the {floor}|under the table) *3
the dog is (shedding|moulting) (everywhere|all over the {floor}) *2
the cat [has] (kicked|thrown) litter (everywhere|all over the floor)
(someone|{kid}) (tracked|trod|walked) mud (in|through the {room}|all over the {floor}) *2
we have guests coming and the (floor|carpet|{floor}) is a (mess|disgrace|state) *2
i can feel (crumbs|bits|grit|sand) under my feet [{where}] *2
it's (dusty|crumby|hairy) (under the {spot}|on the {floor}|down there) *2
i haven't (vacuumed|hoovered) [{where}] (in days|this week|for ages) *2
nobody has (vacuumed|hoovered) (in|for) (days|a week|ages)
{therobot} hasn't (run|cleaned) (today|this week|in ages|since monday), (start it|set it off|send it out) *2
i'd like a clean floor (before the guests come|when i get back|please) *2
(somebody|someone|{kid}) (stepped on a biscuit|crushed crisps|dropped toast|spilled the cat food|\
smashed a cracker) [on the {floor}] *3
the (dog|cat) has (brought in half the garden|been digging|left fur everywhere|shed everywhere) *3
my socks are (full of|covered in) ({mess}|fluff|dog hair) *2
the {floor} (could do with|needs|wants) (a going over|a once over|doing|a clean) *3
there's (bits|stuff|rubbish|pine needles|christmas tree needles) all over the (floor|carpet|rug) *2
""",
    fragments="""
(vacuum|hoover|roomba) [the] {room} *5
(vacuum|hoover|roomba|robot) (start|go|on|time|now|clean) [please] *4
{therobot} to the {room} *2
{therobot} on *3
(vacuuming|hoovering|floor cleaning) (please|now|time) [{where}] *2
clean floors please
quick (vacuum|hoover) [of|in|round] the {room} *3
(go|off you go) {robot}, (clean|start|do the {room}) *2
can (i|we) (get|have) the {room} (vacuumed|hoovered) *3
can {therobot} (do|clean|start on) the {room} *3
could {therobot} (come|go) (clean up|and clean|round the {room}|over the {floor}) *2
any chance of a (hoover|vacuum) {where} *2
mind (vacuuming|hoovering) the {room} *2
how about (vacuuming|hoovering|cleaning) the {floor} *2
{mess} on the {floor} *3
{mess} {where}, vacuum please *2
time to vacuum [{where}] *2
go clean the {floor} *2
""",
    reasons="""
there are crumbs everywhere
the dog is shedding
the floor is (filthy|disgusting|sticky)
{people} dropped (crumbs|cereal|rice)
guests are coming
i'm out [all morning|until five]
it hasn't been done (this week|for days)
""",
)

VACUUM_STOP = IntentFrames(
    commands="""
(stop|pause|halt|cancel|turn off|switch off|shut off|end|kill|quit) {therobot} *7
(turn|switch|shut) {therobot} off *4
(stop|pause|quit|end|cancel|finish|abort) (vacuuming|hoovering|the vacuuming|the hoovering|cleaning the floor[s]|\
the cleaning cycle|sweeping|the clean|floor cleaning) [{where}] *6
(send|get|bring|put|call|return) {therobot} (home|back|to its dock|back to the dock|to base|to the charger|\
back to its base|to its station|back to charging|to its charging station|back home|away) *8
dock {therobot} *4
park {therobot} *2
(tell|ask|get|have|make) {therobot} to (stop|pause|go home|dock|go back to its dock|stop cleaning|go and charge|\
shut up|give it a rest|return to base|go back to the charger|quit) *7
(make|get) {therobot} (stop|go home|go back|quit it|leave me alone) *4
stop {therobot} (from (going under the sofa|eating the rug|eating my socks|waking the baby|cleaning)|it's stuck|\
cleaning the {room}|going in the {room}) *4
call off {therobot} *2
(let|have) {therobot} (charge|rest|go home|recharge) *3
recharge {therobot} *2
(cancel|stop|abort|end) the (vacuum job|vacuum run|cleaning run|robot|vacuum cleaning|{robot} run|spot clean|\
scheduled vacuum) *4
(keep|get) {therobot} (out of|away from) (the {room}|here|the dog|my feet) and (dock it|send it home|stop it) *2
don't (vacuum|hoover) (now|anymore|any more|right now|the {room} now) *3
don't let {therobot} (carry on|keep going|clean right now|run now) *2
hold {therobot} [for a (second|minute)] *2
shut (the {robot}|that {robot}) up *2
put {therobot} (back|away|on its dock|on charge|on pause|to bed) *4
leave the (vacuuming|hoovering|floors) (for now|for later|till tomorrow) *3
get (that|the) {robot} (out from under|away from) (my feet|the dog|the table) *3
(that'll do|that's enough|good job) {robot}, (go home|back to your dock|stop now|off you go back home) *3
""",
    needs="""
{therobot} is (too loud|too noisy|making too much noise|making a racket|driving me mad|waking the baby|annoying me) *6
{therobot} is (stuck|stuck under the {spot}|eating the rug|eating a sock|chewing the cable|tangled in the curtains|\
caught on the rug|going in circles|bumping into everything|chasing the cat) *6
{therobot} (is scaring|keeps scaring|is frightening|is bothering) the (cat|dog|baby|kids) *3
{therobot} keeps (bumping into (me|the {spot}|the chairs)|getting stuck|waking everyone up|going under the {spot}) *3
(that's|it's|that is) enough (vacuuming|hoovering|cleaning from the robot|robot cleaning) [for now|for today] *4
(i|we) don't (want|need) (it vacuumed|the vacuum|any vacuuming|any hoovering|the hoover running|the {robot}) (now|\
right now|anymore|any more) *4
i want {therobot} (to stop|back on its dock|to go home|off|stopped|to go away|back in its corner) *4
(i'd|we'd) like {therobot} (to stop|off|to go home|back on its dock) *3
i'm on (the phone|a call|a zoom), (stop the {robot}|no vacuuming|vacuum off|send the {robot} home) *3
i can't (hear the tv|hear myself think|concentrate|sleep) with (that|the) {robot} (running|going|on) *4
{people} (is*4|are) (asleep|napping|trying to sleep), stop the {robot} *3
{therobot} (should|can|needs to|may) (go home|stop|go back to its dock|return to the dock|charge|finish later|\
take a break) [now] *6
the (floor's|floor is|floors are|carpet is|{room} is) (clean enough|clean now|fine now), (stop|dock|send it home|\
the {robot} can stop) *4
no more (vacuuming|hoovering|robot cleaning|floor cleaning) [please|today|now|tonight] *4
(it's|the house is) clean enough, {therobot} can (stop|go home|dock) *2
why is {therobot} (running|on|cleaning|still going) (now|at this hour|in the middle of the night|again) *3
who started {therobot}, (stop it|make it stop|send it back) *2
you can stop (vacuuming|hoovering|cleaning the floor|the {robot}) [now] *3
the {robot} (can be|should be) (docked|stopped|put back) [now] *2
{therobot} is (running out of battery|almost out of charge|low on battery), send it (home|back) *2
it's too (early|late) (for vacuuming|for hoovering|to vacuum|for the {robot}) *3
the {robot} (woke|just woke) (me|the baby|{people}|the whole house) *3
the {robot} (is|keeps) (getting in the way|under my feet|attacking my toes|banging into things|sucking up the lego) *3
i (trip|keep tripping) over the {robot} *2
the {robot} has (done enough|cleaned enough|got stuck again) *2
""",
    fragments="""
{robot} (stop|off|home|dock|back to base|go home|enough|pause|return) [please] *7
{therobot} (off|to the dock|to its dock|back to the charger|home please) *4
stop {robot} *3
stop (vacuuming|hoovering) *3
(back|return) to (the dock|your dock|base|the charger|your charger) [{robot}] *3
go (home|back to your dock|charge yourself) {robot} *3
(no|enough) (vacuuming|hoovering) [now|please] *3
can {therobot} (stop|go home|dock|pause|be quiet and go home|go back to its station) *4
could {therobot} stop (cleaning|now|please) *2
can (i|we) (get|have) {therobot} (stopped|docked|off) *2
any chance the {robot} could (stop|go home) *2
mind (stopping|pausing|docking) {therobot} *2
{robot} on pause *2
start, no, stop {therobot}
don't start {therobot}, (stop it|send it home|dock it) *2
""",
    reasons="""
it's (too loud|too noisy|stuck|late|scaring the cat|under my feet|in the way)
{people} (is*4|are) (asleep|napping)
i'm on (the phone|a call)
the floor is clean [enough]
i'm trying to (work|watch tv|sleep)
""",
)

FRAMES: dict[str, IntentFrames] = {
    "vacuum_start": VACUUM_START,
    "vacuum_stop": VACUUM_STOP,
}
