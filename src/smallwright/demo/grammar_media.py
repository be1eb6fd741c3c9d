"""Sentence frames about sound: playing, stopping, loudness.

What enters: nothing. What leaves: ``FRAMES``, intent to its frames. Not here: the television as an appliance.
The borders: silence that ends the music is a stop, silence that keeps it running is a volume.
"""

from __future__ import annotations

from smallwright.demo.grammar_expander import IntentFrames

MUSIC_PLAY = IntentFrames(
    commands="""
play (some|a bit of|a little) {genre} [music] [{where}] *8
play [some] {artist} [{where}|on the speaker|on spotify] *7
play {playlist} [{where}|on the {room} speaker] *7
play [some|the|me some|us some] music [{where}|for {people}|while i cook|on the speaker] *7
play (something|anything) (relaxing|upbeat|nice|cheerful|quiet|chilled|soothing|fun|i can dance to|for dinner|\
by {artist}|happy|romantic|calm|for {kid}|to wake me up|mellow|i like) [{where}] *7
(put|stick|whack|pop|get|throw) (on some|on a bit of|on) ({genre} music|music|{genre}|{artist}|tunes|songs|\
{playlist}) [{where}] *7
(put|stick|pop|get) (some music|some tunes|some {genre}|{artist}|{playlist}|a bit of {genre}|the music|a record|\
some songs) on [{where}] *7
(start|begin|resume|continue|restart|unpause) (the music|playing music|playing|the song|{playlist}|the playlist|\
spotify|my podcast|the audiobook) [{where}] *6
(turn|switch) on (the music|some music|{playlist}|some {genre}|spotify|some tunes) [{where}] *5
(turn|switch) the music (on|back on) [{where}] *4
(hit|press) play [on {playlist}|on the music] *3
(give|get) (me|us) (some|a bit of) ({genre}|music|{artist}|tunes|background music|dance music) *5
(shuffle|queue up|queue|stream|cue up|blast|crank out|spin) (some {genre}|{playlist}|{artist}|my songs|my music|\
some tunes) [{where}] *5
(let me|let us|let's) (hear|listen to) (some {genre}|{artist}|{playlist}|some music|some tunes) *6
(let's|let us) have (some|a bit of) (music|{genre}|tunes|background music) [on|{where}] *5
(sing|play) (me|{kid}) a (lullaby|song|bedtime song|nursery rhyme) *4
(play|put on|start) (a|some) (song|songs|lullaby|tune|tunes|album|record|playlist|carols|audiobook) [for {people}|\
{where}|by {artist}] *5
(find|choose|pick) (some|a|me some) (good song|music|{genre}|nice tunes|playlist) [to listen to|to play|for dinner|\
and play it] *4
fill the (house|room|{room}) with (music|{genre}) *3
play the (next episode of my podcast|latest episode|news podcast|same song again|song again|album again|\
last song again) *3
bring the music back *2
keep (playing|the music going|the music on) *3
(tune in|tune) to (radio {n4}|classic fm|bbc radio {n4}|the {genre} station|the local station) *3
dj {artist}
set the music to {genre} *2
make (some music|the speaker play {genre}|the speakers play {artist}) *3
play music, not the tv
(let me|let us) have some (music|tunes|{genre}) (while i cook|while we eat|for the party) *2
carry on with (my audiobook|the podcast|the music|my playlist) *2
spin (some {genre}|a record|{artist}) *2
""",
    needs="""
i (want|need|would like|'d like|'d love|feel like) to (hear|listen to|dance to) (some {genre}|{artist}|{playlist}|\
some music|music|something by {artist}|some tunes) *8
i'm in the mood for (some {genre}|{artist}|{genre}|some music|a bit of {genre}|dancing) *6
(i|we) (need|want|could do with|could use|fancy|feel like|'d like) (some|a bit of) (music|{genre}|tunes|{genre} music|\
background music|{artist}|good music) [{where}] *7
it's (so|awfully|very|rather) (quiet|silent) {where}, (put something on|how about some music|music please|\
play something|let's have some {genre}|put some tunes on) *5
it's like a (library|morgue|graveyard) {where}, (play something|put some music on) *2
(this party|this place|dinner|the party) needs (some music|some tunes|a bit of music|music|{genre}) *5
(we're|i'm) (having a party|cooking|working out|doing the dishes|cleaning|having dinner|studying) and (need|want|\
would like) (some music|some tunes|something to listen to|{genre}) *5
{people} (wants|would like|loves) (to hear|to listen to|to dance to) (music|{artist}|{playlist}|some {genre}|\
nursery rhymes) *5
{people} (wants|would like) (music|a song|baby shark|the frozen songs|a lullaby|to dance) *3
the baby (needs|wants) (a lullaby|some white noise|soothing music|rain sounds) *4
i (haven't heard|miss) (this|that|some|) ({artist}|{genre}) (in ages|for a while) *3
(some|a bit of) ({genre}|music|{artist}) would be (nice|lovely|great|good) [{where}] *5
i can't (cook|work|clean|study|sleep) without (music|some music|{genre}) *3
{genre} music would (be nice|go well with this dinner|set the tone) [{where}] *3
let's (dance|boogie|have a dance) [put something on|to {artist}|play something] *3
where's my (music|playlist|favourite song) *2
i'd like (my playlist|my music|the {genre} station|{artist}|some {genre}) (on|playing) [{where}] *4
surprise me with (a song|some music|something to listen to) *2
time for (some {genre}|some music|{artist}|some tunes|my podcast) *4
what about a bit of {artist} *2
you can (play|put on) (whatever music you like|any music|some {genre}) *2
i want something (to dance to|to cook to|soothing to listen to|upbeat|relaxing to listen to|for the \
kids to sing along to) *3
(got to|i've got to) hear {artist} *2
it's time for a (dance|sing along|boogie), (play {artist}|music please|{genre} please) *2
let's have the radio on [{where}] *3
{people} (loves|likes) {artist}, put (some|them|it) on *2
something (to listen to|with a beat|jazzy|cheerful to cook to) [please] *2
""",
    fragments="""
(music|tunes|{genre} music|{genre} playlist|{artist}) [please] [{where}] *6
(some|a bit of) ({genre}|{artist}|music|tunes|{genre} music) [please] [{where}] *6
music on [{where}] *4
{genre} (music|playlist|radio) {where} *3
{artist} [on spotify|{where}|on shuffle] *3
next up {artist} *1
{playlist} [please|on] *3
play *2
play {artist} *3
play {genre} *3
any (good music|{genre}) *1
can (i|we) (have|hear|get|listen to) (some {genre}|some music|{artist}|{playlist}|a song) [on] [{where}] *6
could (i|we) (have|hear) (some {genre}|some music|{artist}|a little music) [{where}] *4
how about (some {genre}|some music|{artist}|a bit of {genre}|a song|some tunes) [{where}] *5
what about (some|a little) (music|{genre}) *2
any chance of (some music|some {genre}|a tune|a bit of {artist}) *3
mind (playing|putting on) (some {genre}|{artist}|some music|{playlist}) *3
do you (know|have) any {artist} [songs], play (one|it|some) *2
got any {genre} *2
song by {artist} *2
{artist} no wait {artist}
background music [for dinner|please|while we eat] *2
""",
    reasons="""
we're having (dinner|a party)
i'm (cooking|cleaning|bored|working out|in the shower)
{people} wants to dance
i need (to relax|cheering up|motivation)
the baby won't settle
""",
)

MUSIC_STOP = IntentFrames(
    commands="""
(stop|pause|kill|cut|halt|end|silence|quit) {playing} [{where}] *9
(turn|switch|shut) off {playing} [{where}] *7
(turn|switch|shut) {playing} off [{where}] *7
(stop|quit|pause) playing [music|that|this|that song|songs|{artist}|{genre}] [{where}] *7
(stop|pause) (that|this) (song|music|noise from the speaker|racket|track|tune|awful song|dreadful music|\
rubbish music) *5
(make|get) the (music|song|speaker|radio) (stop|to stop|stop playing) *4
(hit|press|put it on) pause [on the music|for a second] *3
put {playing} on (pause|hold) *4
hold the (music|tunes) [for a (second|moment|minute)] *2
(stop|end) the (party music|background music|christmas songs|lullaby|white noise|rain sounds|audio|singing|\
playlist in the {room}|music everywhere) *6
don't play (any more music|this|this song|that|anything|any more songs|any more {genre}) [now] *4
(turn|take|get) (that|this) (rubbish|racket|awful song|song|music|noise|{genre} music) off *5
let's (stop|pause) the (music|song|radio) *3
(let me have|give me) (some silence, no music|quiet without music|a break from the music) *3
shut (the music|that music|that song|the radio) (up|off|down) *4
(stop|kill) the (beats|tunes|beat|sound system) *3
leave the music off *2
(drop|lose) the {genre} music *2
stop singing *2
stop streaming [{where}|spotify] *2
stop the music (in {min_n} minutes|at {clock}|when {people} falls asleep) *2
play no sorry stop the music
(can|cut|knock off) the (music|tunes|song|noise from the speaker|radio) *2
quit (that song|the music|the radio) *2
give the (music|radio|speaker|speakers) a rest *2
""",
    needs="""
(that's|it's|i've had|we've had) enough (music|of this song|of this music|{genre}|{artist}|of the radio|tunes|singing|\
of that playlist) [for today|for now|for tonight] *7
i('m|'ve) (sick of|tired of|had it with|bored of|fed up with|done with|finished with) (this song|this music|the radio|\
{artist}|the music|this album|listening to {artist}|that playlist) *7
i (hate|can't stand|don't like|really dislike) (this song|this music|this track|this band|this tune|\
this noise they call music), (stop it|off|turn it off|make it stop|get rid of it) *5
i don't want (music|any music|to hear this|to listen to this|to listen to music|the radio on|any more songs) [anymore|\
right now|any more] *5
(we|i) don't need (music|the music|the radio) [on] [anymore|right now|now] *4
i'm on (the phone|a call|a zoom call|a conference call), (stop the music|no music|pause it|music off|pause the song|\
kill the music) *5
(i've got|i have|there's) (a call|a phone call|a meeting) [coming in], pause (the music|it|{playing}) *4
someone's (calling|at the door|on the phone), (pause the music|music off|stop the song|pause it) *4
i can't (concentrate|think|sleep|hear you|work|study) with (the music|this music|that song|music) (on|playing) *6
i can't hear (you|the doorbell|the phone|myself think) over the music, (stop it|turn it off|pause it) *3
{people} (is*4|are) (trying to sleep|asleep|studying), (stop the music|no more music|music off) *4
no more (music|songs|{genre}|{artist}|radio|tunes|singing) [please|now|tonight|for now] *5
(the|this) music is (annoying|driving me mad|giving me a headache|getting on my nerves|awful|terrible)[, stop it|\
, off please|, make it stop] *5
(i|we) want (the music|this song|{playing}) (off|stopped|to stop|paused|to end) *5
(i'd|we'd) like the (music|song|radio) (off|to stop|stopped|paused) [please] *4
the (music|song|playlist|radio) can (stop|go off|end) [now] *4
the (music|radio|song) (should|needs to|has to) (stop|be off|be paused|end) [now] *4
the party's over, (music off|no more music|stop the tunes|stop the music) *3
you can (stop|turn off|pause) the music [now] *3
why is (the music|there music|the radio|music) (still on|still playing|playing) [{where}|at this hour|\
if nobody's listening] *4
nobody is listening to (the music|the radio|that) [anymore] *3
i need (silence, stop the music|a break from this music|the music off|the music to stop) *3
what is this awful (song|music), turn it off *2
(phone|the phone|my phone) is ringing, (pause|stop the music|stop that song) *3
i've had enough of (this|that) (song|band|radio|noise|racket|playlist) *3
that's enough (noise|tunes|of that racket|for the radio) *2
(we're|i'm) done (listening|with the radio|dancing), (stop|music off|turn it off) *2
(peace and quiet|some silence) please, (stop the music|music off|no more songs) *2
""",
    fragments="""
(music|song|radio|spotify|playlist|podcast|tunes|audio) (off|stop|pause|over) [please] [{where}] *7
{playing} off *4
pause *3
pause (it|that|please|a second|there) *3
stop music *3
stop the (music|song|tunes) [now] *3
no music [please] [{where}] *3
no more music *2
enough (music|of that song|{artist}|{genre}) *3
stop playing *3
stop play *1
(no|not) this song, stop *2
off with the (music|radio) *2
can (i|we) (have|get) the (music|radio|song) off *4
can the music (stop|be paused|go off) *3
could (the music|this song) (stop|be turned off) *2
mind (stopping|pausing|turning off|switching off) {playing} *3
any chance (you could stop|of stopping) the music *2
is it possible to (stop|pause) {playing} *2
music (pause|stop) {where} *3
""",
    reasons="""
i'm on (the phone|a call)
{people} (is*4|are) (asleep|sleeping|studying|calling)
i've got a headache
i need to concentrate
someone's at the door
it's annoying me
the party's over
i'm trying to (sleep|work|read)
""",
)

VOLUME_SET = IntentFrames(
    commands="""
(turn|crank|bump|pump|bring) (up|down) {sound} [{bit}|{where}] *8
(turn|crank|bring|knock|put|take) {sound} (up|down) [{bit}|to {vol}|loud|low] *9
(set|put|turn|change|adjust) the volume [{where}|of the speaker|on the tv] to {vol} *8
(raise|increase|lower|reduce|decrease|drop|boost) the (volume|sound|sound level|loudness|tv volume|music volume|\
speaker volume) [{bit}|to {vol}|by {pct}|{where}] *8
(mute|unmute|un-mute) [{sound}] [{where}] *6
(mute|silence) the (tv|telly|speaker|speakers|television|sound|volume|adverts|commercials) [for a minute|please|\
during the ads] *6
make {sound} (louder|quieter|softer|less loud|as loud as possible|not so loud|a lot louder|a lot quieter) *8
make {sound} {bit} (louder|quieter|softer) *6
(volume|sound) (up|down) by {vol} *2
(lower|raise|soften) {sound} [{bit}|to {vol}] *4
put (the volume|it|the speaker|the tv) (on|at) {vol} [percent] *4
(keep|hold) (the volume|the noise level|the tv|the music) (down|low|under {vol}|quiet) *5
(keep|turn) (it|the music|the tv) down (a bit|will you|in there|, {people} is asleep) *5
(pump|crank) (it|the volume|the sound|up the volume|up the jam) [up] *4
blast (it|the volume) [to the max] *2
max [out] the volume [{where}] *3
(turn|set) the volume (all the way up|all the way down|to max|to maximum|to minimum|to zero|to half|off|right up|\
right down) *5
double the volume *2
(half|halve|cut) the volume [in half] *3
(turn|put) the sound (off|on|back on) on the (tv|telly|television) *3
(turn|bring) the bass (down|up) *2
speak (up|louder|quieter|more quietly|a bit louder) *4
talk (louder|quieter|more softly) *3
lower your (voice|volume) *3
don't (shout|play it so loud|be so loud) *3
let's (turn it up|have it louder|have it quieter) [{bit}] *3
turn it up no i mean down {bit} *1
turn the tv down, don't switch it off *2
keep playing but (quieter|lower|louder|turn it down) *3
don't stop the music, just (turn it down|make it quieter) *3
(go|notch) (up|down) (two|a few|three) (notches|steps) on the (tv|music|speaker|telly|radio) *3
(shush|hush|quieten) (the {room} speaker|the tv|the speaker|the music|down) [a bit] *3
crank it *1
take the (volume|sound|telly|music|tv) (up|down) (a notch|a couple of notches|a bit) *3
""",
    needs="""
{sound} (is|are) [{bit}|far|much|way] too (loud|quiet|low|soft|noisy|high) *9
it's (too|so|way too|far too|a bit too|really) loud [{where}] *6
that's [way|far|much|a bit] too (loud|quiet) *5
i (can't|can hardly|can barely|cannot) hear (the tv|it|the music|the telly|the film|what they're saying|the news|\
a word|the dialogue|anything on the tv|the song|you) *8
i can't hear (a word they're saying|what they're saying on tv|the telly from here|over the dishwasher) *4
(my ears|my eardrums) (hurt|are bleeding|are ringing) [from the music|, it's too loud] *3
my ears hurt, it's so loud *2
i'm (going deaf|a bit deaf|hard of hearing), (turn it up|louder please|could it be louder) *4
it's (hurting|bursting) my (ears|eardrums) *3
{people} (is*4|are) (sleeping|asleep|studying|on the phone|napping), (keep it down|quieter please|turn it down|\
lower the volume|not so loud|a bit quieter) *7
the neighbours (are complaining|will complain|are banging on the wall|can hear the music|complained \
about the noise) [turn it down|about the volume] *5
(you'll|you're going to) wake (the baby|the kids|the neighbours|{people}) with (the volume|it so loud|music that loud|\
the tv that loud) *4
(i|we) (want|need|would like|'d like|'d prefer) (it|{sound}) (louder|quieter|lower|at {vol}|a bit louder|\
a bit quieter|turned up|turned down|muted) *8
(i|we) (want|need) (more|less) volume [{where}|on the tv] *4
i love this (song|one|bit|track), (turn it up|crank it up|louder|make it louder) *5
this is my (favourite song|favorite song|jam), (turn it up|louder|volume up) *4
i'm (on the phone|on a call|trying to talk), (turn it down|mute it|mute the tv|lower the volume|keep the volume down) *5
(the ads|the commercials|the adverts) are (so|too|way too) loud *4
(the volume|the sound|the tv volume) (should be|could be|needs to be|can be) (lower|higher|a bit lower|at {vol}|\
louder|quieter) *6
it (could|should|needs to) be (louder|quieter|a bit louder|a bit quieter) *4
you're (too loud|shouting|too quiet|mumbling|hard to hear) *5
not so loud [please] *4
the volume is (fine at {vol}, set it there|too high|too low|through the roof|up too high) *5
do you have to be so loud *2
why is {sound} so (loud|quiet) *5
{sound} (is|are) (blaring|blasting|booming|barely audible|deafening|hardly audible) [{where}] *5
i need to hear this, louder *2
that's (deafening|ear splitting|blasting my ears|hurting my ears|barely audible|hardly audible) *3
pardon, i (can't|didn't) hear (it|that|them) *2
i'm (straining|struggling) to hear [the (tv|radio|music)] *2
{people} (can't hear|is hard of hearing|has bad ears)[, louder|, turn it up|, volume up please] *3
i can hear (that|the tv|the music) (from|all the way) (upstairs|down the street|in the {room}), (quieter|too loud|\
turn it down) *2
""",
    fragments="""
(volume|sound) (up|down) [{bit}|please|{where}] *7
(volume|vol) [to|at|level] {vol} [{where}] *7
(louder|quieter|softer|lower) [please] *6
{bit} (louder|quieter) [please] *6
(louder|quieter) {where} *3
(mute|unmute|mute it|mute that|mute everything) [please] *4
(more|less) volume *3
(max|full|half|zero|low|medium|minimum) volume [please] *4
turn it up [a bit|please|more] *4
turn it down [a bit|please|more] *4
keep it down [please] *3
down a bit with the (volume|music|sound) *2
{sound} (louder|quieter) [please] *4
{sound} (up|down) [a bit|a notch] *4
can (i|we) (have|get) (it|{sound}) (louder|quieter|up a bit|down a bit|turned down) *4
can (it|{sound}) be (louder|quieter|{bit} louder|{bit} quieter) *3
could {sound} (be|come) (down {bit}|up {bit}|turned down|turned up) *3
mind (turning|bringing) {sound} (up|down) [{bit}] *4
mind (lowering the volume|muting the tv|muting that|raising the volume) *3
any chance of (turning {sound} (up|down)|a bit more volume|some more volume|less noise from the tv) *4
how about (turning {sound} (up|down)|a little more volume) *2
inside voice please *1
""",
    reasons="""
i can't hear [it|them]
{people} (is*4|are) (asleep|sleeping|napping|on the phone)
it's (too loud|too quiet|deafening)
i love this song
i'm on the phone
the neighbours will complain
my ears hurt
you'll wake the baby
""",
)

FRAMES: dict[str, IntentFrames] = {
    "music_play": MUSIC_PLAY,
    "music_stop": MUSIC_STOP,
    "volume_set": VOLUME_SET,
}
