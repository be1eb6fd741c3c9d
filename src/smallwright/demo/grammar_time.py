"""Sentence frames about timers and wake-up alarms.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: the burglar alarm.
The borders: a timer counts down a length of time, an alarm rings at an hour; neither is the house's siren.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

TIMER_SET = IntentFrames(
    commands="""
(set|start|create|make|begin|put on|add|run|give me) a [new|second|kitchen|cooking] timer for {duration} *9
(set|start|create|make|begin|put on|give me|add) (a|an|another) {dur_adj} timer [for the {timer_for}] *9
(set|start|create|put on) a [cooking|kitchen|] timer for the {timer_for} [for {duration}|, {duration}|{duration}] *8
(set|start|put|make) a {timer_for} timer [for {duration}|of {duration}] *7
(set|start) the timer (for|to|at) {duration} [for the {timer_for}] *6
set a timer *3
(start|set|do|begin|run) a (countdown|count down) (of|for|from) {duration} *6
(count down|countdown) [from] {duration} *5
count {duration} [down] for me *2
time {duration} [for me|starting now|for the {timer_for}] *5
time (the {timer_for}|my {timer_for}|this) for {duration} *5
(let me know|tell me|shout|ping me|alert me|beep|notify me|give me a shout|call me|ring|buzz me|warn me|yell) (in|\
after) {duration} *9
(let me know|tell me|shout|alert me|beep|ring) when {duration} (is up|are up|have passed|has passed|is over|\
has gone by|are over) *7
(remind me|tell me|let me know|shout) in {duration} (to|when it's time to|so i can) (take the {dish} out|\
check the {dish}|turn the {dish}|stir the {dish}|flip the {dish}|look at the {dish}) *6
(tell me|let me know|warn me) when the {dish} (is|are|has) (had|been in|been on|cooked|boiled) [for] {duration} *4
(tell|let) (the kids|{kid}) [know] when {duration} (of {pursuit} |)(is up|are up) *3
give (me|us|{kid}|the kids|it) {duration} (on the clock|on the timer|for the {timer_for}|starting now|then beep) *5
(start|put) {duration} on the (timer|clock) [for the {timer_for}] *5
(stick|pop|get|whack) a timer on for {duration} *5
(stick|pop) {duration} on [the timer] [for the {timer_for}] *3
(start|begin) timing {duration} *3
(start|set) two timers, (one for {duration} and one for {duration}|{duration} and {duration}) *2
add {duration} to the timer *3
set my egg timer [for {duration}] *2
set (an hour|half an hour|{duration}) timer *2
timer {duration} for {kid}'s {pursuit} *3
set a timer for {min_n} no {min_n} minutes *2
start the clock, {duration} *2
count (me|us) down from {duration} *2
give me a (shout|nudge|heads up|bell|beep) (in|after) {duration} *3
""",
    needs="""
(i|we) (need|want|would like|'d like) (a timer for {duration}|a {dur_adj} timer|a timer|a timer for the {dish}|\
a {dur_adj} countdown) *8
the {dish} (needs|need|takes|take|has to cook for|has to be in for|goes in for|wants|has) {duration} *8
the {dish} (should|will|has to|need to) (be done|be ready|come out|come out of the oven|boil|bake|rest|simmer|\
cook) in {duration} *6
the {dish} (should|has to|needs to) (boil|bake|rest|simmer|cook|rise|soak|chill) for {duration} *6
i('m| am) (putting|popping|sticking) the {dish} in [the oven] for {duration} *5
i've (just put|put|popped) the {dish} (in|on), (it needs|give it|time|{duration} timer|that's) {duration} *5
i (have to|need to|must|should) (take the {dish} out|check the {dish}|check on the {dish}|turn the {dish}|\
flip the {dish}|take it out of the oven|get the {dish} out) (in|after) {duration} *7
don't let me forget the {dish} (in|it needs|in the oven,|, it's done in) {duration} *5
don't let the {dish} burn, {duration} *3
{kid} (has|gets|can have|is allowed) {duration} of (screen time|tv|playing|homework|piano practice|reading|xbox|\
ipad), (time it|let me know when it's over|set a timer|count it down) *5
{kid} (should|has to|needs to) brush (his|her|their) teeth for (two minutes|2 minutes|three minutes), time it *2
i want to (nap|meditate|plank|exercise|study|rest|stretch|work) for {duration}, (tell me when|set a timer|time me|\
let me know when it's up) *5
i've got {duration} (before i have to leave|until the bus|before the guests come|until my call), (set a timer|\
count it down|tell me when) *4
we (leave|have to go) in {duration}, (set a timer|count down|shout when it's time) *3
{duration} (for the {dish}|from now), (go|set a timer|start|remind me|beep) *4
a {dur_adj} timer would be (great|nice|handy) *2
can't forget the {dish}, {duration} timer *2
(eggs|pasta|rice|pizza|cake) (in|on) for {duration}, (time it|go|start) *2
{duration} (and then|then) (tell me|call me|beep|shout|the {dish} is done) *2
i (only|) have {duration}, (tell me when it's up|warn me when it's over|time me) *2
the {dish} (wants|goes in for|gets|is in for) {duration} *3
""",
    fragments="""
timer [for] {duration} *8
{dur_adj} timer [please] *8
{dur_adj} timer for the {timer_for} *4
{duration} [on the] timer [please] *5
{timer_for} timer [for] {duration} *6
(timer|{timer_for} timer) please *2
timer for the {timer_for} *3
{duration} for the {timer_for} *6
{timer_for}, {duration} *3
{duration} countdown [please] *3
countdown {duration} *3
{duration} starting now *4
timer for {min_n}, no, {min_n} minutes *2
another {dur_adj} timer *2
can (i|we) (have|get) a {dur_adj} timer [please|for the {timer_for}] *5
can (i|we) (have|get) a timer for {duration} *3
could (i|we) (have|get) a timer [for {duration}|for the {timer_for}] *3
how about a {dur_adj} timer *2
mind (setting|starting) a timer for {duration} *3
mind timing (the {timer_for}|me) for {duration} *2
any chance of a {dur_adj} timer
""",
    reasons="""
i've got {timer_for} in the oven
i always forget
i don't want to burn it
the {timer_for} is on
i'm (cooking|baking)
""",
)

TIMER_CANCEL = IntentFrames(
    commands="""
(cancel|stop|delete|clear|end|remove|kill|scrap|scratch|drop|dismiss|abort|bin|quit) (the|my|that|this|the current|\
the running|our|the last) timer *9
(cancel|stop|delete|clear|end|remove|kill|dismiss|drop|scrap) the {timer_for} timer *8
(cancel|stop|delete|clear|end|remove|kill|dismiss) (the|my) {dur_adj} timer *7
(cancel|stop|delete|clear|remove|end) (all|all the|both|every|all of my|all my|any) timers *6
(cancel|stop|clear|remove) (every|any) timer [that's running] *3
(turn|switch|shut) (the timer|the {timer_for} timer|that timer|the kitchen timer) off *6
(turn|switch|shut) off (the timer|the {timer_for} timer|that timer|my timer|the kitchen timer|the cooking timer|\
the egg timer) *7
(stop|cancel|end|abort|halt) the (countdown|count down|kitchen timer|cooking timer|egg timer|clock \
that's counting down) *7
(forget|forget about|never mind|nevermind|ignore|don't worry about|don't bother with) (the timer|the \
{timer_for} timer|that timer|my timer|the countdown) *7
(get rid of|do away with|take off|call off|undo) (the timer|that timer|the {timer_for} timer|my timers) *6
stop (timing|timing the {timer_for}|counting|counting down|the clock on the {timer_for}) *6
(stop|quit|silence|shut up|shush) (the timer beeping|that timer|the beeping timer|the timer, it's beeping|\
that timer noise) *5
(make|get) (the timer|that timer|the {timer_for} timer) (stop|stop beeping|shut up|go away) *4
don't (time|bother timing) (the {timer_for}|it|this) [anymore|any more|after all] *4
(cancel|stop) the timer (i|we|you) (just set|set|set earlier|started|set a minute ago|put on) [for the {timer_for}|\
for {duration}] *6
(cancel|stop|remove) the timer for the {timer_for} *6
(cancel|stop|delete) the timer for {duration} *4
let's (cancel|stop|scrap|forget) the timer *3
shut the timer (up|down|off) *3
take the timer off [the {timer_for}] *2
set a timer, no actually cancel (it|the timer) *2
stop the timer, not the music *1
(scrap|bin|ditch|call off) (the|that) (countdown|timer|{timer_for} timer) *3
(kill|stop|cancel|lose) the {dur_adj} one, (the timer|i mean the timer|that timer) *2
""",
    needs="""
(i|we) (don't|no longer|do not) need (the|that|my|a|the {timer_for}|the {dur_adj}) timer [anymore|any more|any longer|\
now|after all] *8
(i|we) (don't|no longer) want (the|that|a) timer [anymore|any more|running|now|after all] *5
the {dish} (is|are) (done|ready|finished|already done|out of the oven|cooked|already out|burnt anyway), (cancel|stop|\
kill|forget|clear|turn off) the timer *8
the {dish} (came out|was done|were done|finished) (early|already|before the timer), (no need for the timer|\
stop it counting|cancel the timer|stop the timer) *5
(i've|we've|i) (already|just) (taken|took|got) the {dish} out [of the oven], (no timer needed|stop the timer|\
you can stop the timer|cancel the countdown|so drop the timer) *6
no need for (the|a|that) timer [anymore|any more|now|after all] *6
there's no need for the {timer_for} timer [anymore] *4
the timer (isn't|is no longer|is not) (needed|necessary|required) [anymore] *5
the timer (can|should) (stop|be cancelled|be canceled|go|go off the list) [now] *4
(i've|i|we) changed my mind about the (timer|{timer_for} timer|countdown) *4
changed my mind, no timer *3
i (don't need|didn't mean|didn't want) (to set|you to set|) (a|the|that) timer *4
i set the wrong timer[, cancel it|, get rid of it] *3
that was the wrong (timer|time for the timer), cancel it *2
the timer('s| is) (going off|beeping|ringing|still beeping|driving me nuts|still going), (stop it|turn it off|\
shut it up|make it stop|cancel it) *7
i (heard|can hear) the timer, (you can stop it|stop it now|it can stop|turn it off) *4
(we're|i'm) (eating|skipping|not having|not making) (out|the {dish}|dinner) [tonight], (cancel|drop|scrap) the timer *3
i want (the timer|that timer|the {timer_for} timer|the countdown) (stopped|cancelled|off|gone|to stop) *5
(i'd|we'd) like (to cancel|to stop|to delete) (the|my|that|the {timer_for}) timer *6
you can (stop|cancel|forget|clear|turn off) the (timer|{timer_for} timer) [now] *5
the {dish} (didn't need|doesn't need|no longer needs) (the timer|that long, cancel the timer|timing) *2
(eggs|pasta|cake|pizza|rice) (are|is) done, (timer off|no more timer|stop the timer|forget the timer) *3
i (made a mistake|messed up) (with|setting) the timer, (cancel it|delete it|clear it) *2
""",
    fragments="""
timer (off|stop|cancel|over|cancelled) [please] *6
(cancel|stop|clear|end) timer *6
(cancel|stop) {timer_for} timer *5
{timer_for} timer (off|cancel|stop) *5
no timer [needed|anymore|please|for the {timer_for}] *4
no more timer *2
(cancel|stop) {dur_adj} timer *4
all timers off *3
(never mind|nevermind|forget it), (no timer|scrap the timer|cancel the timer) *4
never mind the timer *3
can (i|we) (cancel|stop|get rid of) (the|my|that|the {timer_for}) timer *5
can the timer (stop|be cancelled|go off the list|be stopped) *3
could you (stop|cancel|clear) the (timer|{timer_for} timer|countdown) *4
mind (cancelling|stopping|canceling|turning off) (the|that|the {timer_for}) timer *4
is it possible to (cancel|stop) the timer *2
stop countdown *2
timer done, (turn it off|stop it) *2
""",
    reasons="""
it's (done|ready|already out|finished)
i don't need it [anymore]
the {timer_for} (is|are) (done|ready|burnt)
i changed my mind
i took it out already
it won't stop beeping
""",
)

ALARM_SET = IntentFrames(
    commands="""
(set|create|add|make|put on|schedule) (an|my|a new|the|a wake up|a wake-up|a morning) alarm (for|at) \
{clock} [{alarm_day}] *9
(set|create|add|schedule) (an|my|a wake up|the) alarm {alarm_day} (for|at) {clock} *6
(set|put|change|move) (my|the) [morning|wake up|] alarm (to|for|clock to) {clock} [{alarm_day}] *6
(set|make|create) (a|an) {clock} alarm [{alarm_day}] *6
wake (me|us|{kid}|the kids|me and {kid}) [up] at {clock} [{alarm_day}] *9
wake (me|us) [up] {alarm_day} at {clock} *6
wake (me|us|{kid}) [up] (before|by|around|no later than|not before) {clock} [{alarm_day}] *6
wake (me|us) [up] (with|to) (music|the radio|birdsong|jazz|a gentle sound) at {clock} *3
wake (me|us) up {alarm_day} (early|bright and early|nice and early), (say|at|about) {clock} *3
get (me|us|{kid}|the kids) (up|out of bed|awake) (at|by|before) {clock} [{alarm_day}] *8
(give|do) me a (wake up call|wake-up call|alarm call|morning call) (at|for) {clock} [{alarm_day}] *5
make sure (i'm|we're|i am|{kid} is) (up|awake|out of bed) (by|at|before) {clock} [{alarm_day}] *7
make sure i (don't sleep|don't oversleep) (past|later than|beyond) {clock} [{alarm_day}] *4
don't let (me|us) (sleep|sleep in|lie in|oversleep|stay in bed) (past|after|later than|beyond) {clock} [{alarm_day}] *6
(ring|buzz|beep|go off|sound the alarm clock) at {clock} {alarm_day} [to wake me] *3
(set|get) the alarm clock (for|to) {clock} [{alarm_day}] *6
(set|put) (two alarms|alarms) (for|at) {clock} and {clock} [{alarm_day}] *3
(set|add|create) a (recurring|repeating|daily|weekday|weekend|backup|second) alarm (for|at) {clock} *5
set an alarm {alarm_day} for {clock} *4
(have|let) the alarm [clock] go off at {clock} [{alarm_day}] *4
pop an alarm on for {clock} [{alarm_day}] *3
(stick|put) the alarm on for {clock} [{alarm_day}] *3
let me sleep (until|till|til) {clock} [{alarm_day}] *5
(move my wake up alarm to|push my alarm back to|make my alarm earlier,) {clock} *3
set an alarm for {clock} no make it {clock} [{alarm_day}] *3
set the alarm to wake me at {clock} *3
set my alarm for (work|school|the airport|the early shift|my flight) [{alarm_day}], {clock} *3
(rouse|call|shake) (me|us) at {clock} [{alarm_day}] *2
""",
    needs="""
(i|we) (have to|need to|must|should|gotta|want to|'ve got to|would like to) (be up|get up|wake up|be awake|\
be out of bed|rise) (at|by|before|around) {clock} [{alarm_day}] *9
(i|we) (need|want|would like|'d like) (an alarm|a wake up call|the alarm|my alarm|a wake up alarm) (for|at|set for|\
set to) {clock} [{alarm_day}] *8
(i|we) need (waking|to be woken|to be woken up|waking up) (at|by|before) {clock} [{alarm_day}] *5
i'd like to (wake up|get up|be woken|be woken up) at {clock} [{alarm_day}] *5
i (can't|mustn't|must not|don't want to) (oversleep|sleep in|sleep past {clock}|sleep through|miss my \
alarm) {alarm_day}, (alarm at|wake me at|get me up at|set it for) {clock} *5
(my|our|the) (train|flight|bus|meeting|shift|class|taxi|exam|interview|ferry) (leaves at|is at|starts at|\
goes at) {clock} {alarm_day}, wake me (up an hour before|in time|at {clock}|up) *5
i've got (a flight|an early start|an early shift|an exam|a meeting|an early train|work|school) \
{alarm_day}, (wake me at|alarm for|get me up at|set the alarm for|i need to be up by) {clock} *7
i'm (getting up|waking up|up) at {clock} {alarm_day}[, set the alarm|, set an alarm] *4
{kid} (has to|needs to|must) (be up|get up|wake up) (for school|for swimming|for training|) (at|by) \
{clock} [{alarm_day}] *6
i usually (get up|wake up) at {clock}, (set|do) an alarm for that *3
my alarm should (be|go off|ring) at {clock} [{alarm_day}] *5
the alarm [clock] should (go off|ring|be) at {clock} [{alarm_day}] *4
tomorrow i (start|get up) at {clock}, (set the alarm|alarm please|wake me in time) *3
early (start|morning|shift) tomorrow, {clock} alarm *3
{clock} start {alarm_day}, (wake me|alarm please|set the alarm) *2
(school run|big day|early meeting|long drive|dentist) {alarm_day}, (alarm for|wake me at|up at) {clock} *3
i (mustn't|can't) be late {alarm_day}, (wake me at|alarm at|get me up at) {clock} *2
i'd like to sleep (until|till) {clock} {alarm_day}, (then wake me|no later) *2
""",
    fragments="""
alarm [at|for] {clock} [{alarm_day}] *8
{clock} alarm [{alarm_day}] [please] *6
wake up [call] [at] {clock} [{alarm_day}] *5
wake me {clock} [{alarm_day}] *4
alarm {alarm_day} [at] {clock} *5
(morning|wake up|weekday|weekend) alarm [at|for] {clock} *5
alarm clock [for|at] {clock} [{alarm_day}] *4
up at {clock} {alarm_day} [please] *3
{clock} {alarm_day}, wake me [up] *4
{alarm_day} {clock} alarm *3
can (i|we) (have|get) (an alarm|a wake up call|an alarm set) (at|for) {clock} [{alarm_day}] *5
can (i|we) be woken [up] at {clock} [{alarm_day}] *4
could (i|we) (have|get) an alarm (for|at) {clock} [{alarm_day}] *3
mind (waking me|getting me up|setting an alarm for me) at {clock} [{alarm_day}] *4
any chance of a wake up call at {clock} *2
how about an alarm (at|for) {clock} [{alarm_day}] *2
alarm for {clock}, no, {clock} *2
""",
    reasons="""
i have (work|school|a flight|an exam|an early meeting)
i can't be late
i always oversleep
my train leaves early
it's a school day
i've got the early shift
""",
)

FRAMES: dict[str, IntentFrames] = {
    "timer_set": TIMER_SET,
    "timer_cancel": TIMER_CANCEL,
    "alarm_set": ALARM_SET,
}
