"""Sentence frames about the burglar alarm.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: wake-up alarms.
The border: an alarm with an hour is a wake-up alarm; "turn off the alarm" alone is said nowhere, for nobody could tell.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

SECURITY_ARM = IntentFrames(
    commands="""
arm (the {security}|the alarm|the house|the system|security|the sensors|the home|it) [now|for the night|in away mode|\
in home mode|in stay mode|to away|while we're out] *9
(turn|switch|put) on the {security} [now|for the night|before we go|while we're away] *8
(turn|switch|put|stick|get) the {security} on [now|for the night|before we leave|tonight] *8
(activate|enable|set|start|engage) the {security} [now|for the night|while we're out|to away|to night mode] *9
(activate|enable|engage|arm) (security|the house alarm|home security|the sensors|away security|the perimeter|\
the motion detectors|the motion sensors|the cameras|the siren) *6
set the [house|burglar|home|security] alarm (before we (go|leave)|when (we|i) leave|as we're going out|on the way out|\
, we're off|for the night, we're all in bed|, i'm the last one out|behind us|for tonight while we sleep) *6
(put|stick|pop) the [house|burglar|home] alarm on (before we (go|leave)|when i leave|, we're going out|\
, we're off on holiday|on your way out|, i'm off to work) *5
(protect|guard|watch|keep an eye on|watch over) (the house|the place|the home|our home|my flat|the \
property) [while (we're|i'm) (out|away|on holiday|asleep|gone)|tonight] *7
(set|put|switch) the (security|alarm system|security system|house alarm|burglar alarm) to (away|armed|night|home|stay|\
on|night mode|armed away|armed stay) *7
arm (away|stay|home|night|everything|upstairs only|downstairs|the ground floor|the downstairs sensors|\
the garage sensors) *6
(make sure|ensure|check) the ({security}|house alarm) (is armed|gets armed|is set|is on) (before we leave|tonight|\
when we go|for the night) *4
(turn|switch) (motion detection|intruder detection|surveillance|burglar protection|the window sensors|\
the door sensors) on *4
(start|begin) (monitoring|surveillance|guarding|guarding the house|watching the house|security monitoring) *4
(re-arm|rearm) the (system|alarm|{security}) *3
don't leave without (arming|setting) the (alarm|house alarm|security) *2
let's (arm|set|activate) the ({security}|house alarm|alarm system) *3
have the {security} (on|armed|active|set) (tonight|while we're away|when we leave|by {clock}) *4
disarm no sorry arm the {security} *1
go into (guard|lockdown|security|armed) mode *4
put the house (on guard|in lockdown|on lockdown|under guard|in armed mode) *4
(get|put) the (alarm system|burglar alarm|security system) (going|in place|working) *2
keep (burglars|intruders|thieves) out while we're (away|asleep|out) *2
""",
    needs="""
(i|we) forgot to (set|arm|turn on|activate|switch on|put on) the {security} *7
(i|we|{kid}) didn't (set|arm|turn on|activate) the {security} [when we left] *5
(i|we) left (the house|home) without (setting|arming|turning on) the (alarm|{security}) *5
(i|we) (want|need|would like|'d like) the {security} (on|armed|set|activated|active|switched on) [tonight|now|\
while we're away] *7
(i|we) (want|need|would like) (the house|our home|the place) (protected|guarded|armed|secured by the alarm|\
watched) [while we're out|tonight|while we sleep] *5
(we're|i'm) (going|off|heading) (on holiday|away|away for the weekend|out for the day|out), (arm the {security}|\
set the house alarm|turn the security on|alarm system on|arm it) *6
the {security} (is|isn't|is still) (off|not armed|on yet|disarmed|on) (and|but) (it should be on|we're leaving|\
i want it on|it's night) *3
the {security} (should be|needs to be|has to be|must be|ought to be) (on|armed|active|set) [when we're out|at night|\
now] *6
the {security} (isn't on|isn't armed|is not on|hasn't been set), (arm it|turn it on|set it|do it now) *5
there (have been|are) (burglars|break-ins|burglaries|thieves) (around|in the area|about|on our \
street), (arm the alarm|alarm on|turn on the {security}|make sure the alarm is armed) *5
i don't want (burglars|anyone breaking in|intruders|to get burgled|anyone creeping in) (tonight|while we're away|\
while i'm gone) *4
nobody (should|will) be (home|in|in the house) (all day|until tonight|this weekend|till monday), (arm the alarm|\
arm it|set the alarm system|turn security on) *5
everyone is (out|in bed|asleep), (arm the house|set the burglar alarm|arm the system|security on) *4
i'd (feel safer|sleep better) with the ({security}|house alarm) (on|armed|set) *5
you can (arm|activate|set|turn on) the {security} [now] *4
the house is (empty|going to be empty) (all week|this weekend|today), (security on|alarm system on|arm it|guard it) *3
if anyone (comes in|breaks in|gets in) (tonight|while we're gone) i want (the siren|to know|the alarm to go off) *3
we're off to (spain|the seaside|my mum's|the airport), (alarm system on|arm the house|security on|set \
the burglar alarm) *3
i'm the last (one|person) out, (arm the alarm|arm it|security on) *2
(nobody|no one) is (staying|sleeping) here tonight, (arm the alarm|arm the system) *2
""",
    fragments="""
{security} (on|armed|arm|activated|active) [please] *9
arm [the] {security} *6
(security|burglar alarm|house alarm|alarm system) on [for the night] *5
(arm|arm it|arm the alarm|arm house|arm system) [please|now] *5
security (mode|on|armed) *4
armed (away|stay|home|for the night|mode) *3
(guard|lockdown) mode [on] *3
alarm armed please *3
(alarm|house alarm) on, we're (leaving|off|going out) *4
can (i|we) (have|get) the {security} (on|armed|set) *5
can the {security} be (armed|set|switched on) *3
could (i|we) (have|get) the {security} (on|armed) *3
mind (arming|setting|activating|turning on|switching on) the {security} *5
any chance you could (arm|activate) the {security} *2
is it possible to (arm|activate) the {security} [from here|remotely] *2
how about (arming|setting) the {security} *2
""",
    reasons="""
we're (leaving|going out|away until sunday|off on holiday|going to bed)
i'm (leaving|the last one out|off to work|home alone tonight)
nobody's home
everyone's in bed
there have been break-ins
the house will be empty
""",
)

SECURITY_DISARM = IntentFrames(
    commands="""
disarm (the {security}|the alarm|the house|the system|security|the sensors|it) [now|please|i'm home|it's only me|\
it's just me|for the cleaner] *9
(turn|switch|shut|knock) off the {security} [i'm home|it's only me|we're back|for {visitor}|before it goes off] *9
(turn|switch|shut|knock) the {security} off [i'm home|it's me|we're back|for {visitor}|, please] *9
(deactivate|disable|unset|stop|disengage|kill|cancel|unarm|un-arm) the {security} [now|please|i'm home|for {visitor}] *9
(deactivate|disable|unarm|disengage) (security|the house alarm|home security|the sensors|the motion detectors|\
the motion sensors|the cameras|the perimeter) *6
(stop|silence|shut off|turn off|kill|quiet|shut up|mute) the (siren|sirens|burglar alarm|intruder alarm|\
security alarm|alarm siren|house alarm) *8
(stop|silence|turn off) the alarm (it's|that's|it was) (a false alarm|just me|only the cat|only {kid}|just the dog|\
me who set it off|only us) *6
(take|get) the (house alarm|burglar alarm|{security}|security) off [i'm home|for today|for {visitor}] *5
(set|put|switch) the (security|alarm system|security system|house alarm|burglar alarm) to (off|disarmed|unarmed|\
disarm) *6
cancel the (false alarm|burglar alarm|break-in alert|intruder alert|security alert|siren|armed mode|lockdown) *6
(stand|call) (down|off) the (alarm system|{security}|security|guards|siren) *3
(turn|switch) (motion detection|intruder detection|surveillance|burglar protection|the window sensors|\
the door sensors) off *5
(end|leave|exit|stop) (lockdown|guard mode|armed mode|away security mode|the lockdown|security mode) *4
(stop|quit) (monitoring|guarding the house|the surveillance|the security monitoring) *3
(make|get) the (siren|burglar alarm|house alarm) (stop|to stop|shut up) *5
(make sure|ensure) the {security} is (off|disarmed|not armed) (when {caller} arrives|before {caller} comes|\
before i open the door|by {clock}) *4
let's (disarm|deactivate) the ({security}|house alarm|alarm system) *3
(leave|keep) the {security} (off|disarmed) [tonight|today|for {visitor}] *4
arm no sorry disarm the {security} *1
don't (arm|set) the {security} (tonight|, {caller} is still here|, i'm staying in|today) *3
(let {visitor} in without setting off|stop {caller} setting off) the {security} *2
(let me|let us) in without the (siren|burglar alarm) *2
(tell|get) the (alarm system|security) to (stand down|back off|stop) *2
""",
    needs="""
(i|{kid}|the dog|the cat|we|the cleaner) (set|set off|triggered|tripped) (the {security}|the burglar alarm|the siren|\
the house alarm) [off] [by accident|by mistake|accidentally] *8
(i've|{kid}'s|the cat's|the dog's) (set off|triggered|tripped) the (alarm|{security}|siren) [by accident|again] *6
the (siren|burglar alarm|house alarm|security alarm|intruder alarm) is (going off|blaring|screaming|wailing|sounding|\
ringing|deafening the neighbours) [for no reason|stop it|make it stop|and it's only me] *8
(it's|it is) (only|just) (me|us|{kid}|the cat|the dog|the cleaner), (disarm|no need for the alarm|turn \
the {security} off|disarm the alarm|stop the siren|switch off the burglar alarm) *6
it's a false alarm [, turn off the siren|, disarm it|, stop the siren|, call off the security] *5
(there's no|there isn't a|it's not a) (burglar|intruder|break-in), (it's just me|stop the siren|disarm|\
it's only {kid}|turn it off) *5
(i'm|we're) (home|back|in|coming in|through the door) [now], (disarm the alarm|disarm|turn off the {security}|\
security off|no need for the burglar alarm|kill the house alarm|disarm it please) *8
{caller} (is*4|are) (coming|on the way|here|about to come in), (disarm the alarm|turn off the {security}|\
the alarm system needs to be off|disarm the system) *6
(i|we) (don't|no longer) need the {security} (on|armed|set|active) [anymore|today|while we're home|now] *6
(i|we) (want|need|would like|'d like) the {security} (off|disarmed|deactivated|switched off|unarmed) [now|please] *7
the {security} (should|can|needs to|must) be (off|disarmed|switched off|deactivated|turned off) [now|when we're home|\
during the day] *6
the {security} is (still on|still armed|armed) (and i'm home|but we're in|and i'm walking in|, turn it off|\
, disarm it) *5
i'm about to (open the door|walk in|come in) and the {security} is (on|armed|still on) *4
we're (having|hosting) (guests|people over|a party), (disarm the alarm|no need for the {security}|keep \
the security off) *3
you can (disarm|deactivate|turn off|switch off) the {security} [now] *5
before i open the (back door|window|front door), (disarm it|disarm the alarm|turn off the {security}) *3
{kid} got up (for a glass of water|in the night) and (set off|triggered) the (alarm|sensors) *3
(the cat|the dog|a balloon|{kid}|the postman) (tripped|set off|walked past) the (sensor|sensors|motion detector|\
motion sensor) *3
the (alarm system|siren|burglar alarm) (is|keeps) (screaming|going|shrieking|waking the street)[, i'm not a burglar|\
, make it stop|, shut it off] *3
the (cleaner|neighbour|plumber|{visitor}) is (coming|letting himself in), (system off|security off|disarm please|\
disarm it) *3
i live here, (disarm|stop the siren|turn off the burglar alarm) *2
""",
    fragments="""
{security} (off|disarm|disarmed|deactivate) [please] *9
disarm [the] {security} *6
disarm *3
disarm (it|everything|house|alarm|system|now) *5
(security|burglar alarm|house alarm|alarm system|siren) off *6
stop the siren *3
no (burglar alarm|security|house alarm) [tonight|please|now] *3
false alarm *3
lockdown off *2
can (i|we) (have|get) the {security} (off|disarmed) *5
can the {security} be (disarmed|switched off|turned off) *4
could (i|we) (have|get) the {security} off *3
mind (disarming|deactivating|switching off|turning off) the {security} *5
any chance you could (disarm|deactivate|turn off) the {security} *3
is it possible to (disarm|deactivate) the {security} [from here|remotely] *2
how about (disarming|turning off) the {security} *2
""",
    reasons="""
i'm (home|back|coming in|at the door)
we're (home|back)
it's only (me|us|the cat)
it was a false alarm
{caller} (is*4|are) (coming|here)
i set it off by accident
the dog triggered it
""",
)

FRAMES: dict[str, IntentFrames] = {
    "security_arm": SECURITY_ARM,
    "security_disarm": SECURITY_DISARM,
}
