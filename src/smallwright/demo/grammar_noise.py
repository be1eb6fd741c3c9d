"""Slips of finger and ear: typos, dropped apostrophes, misheard words, missing small words, casing, punctuation.

What enters: a clean lower-case sentence. What leaves: the sentence as it may arrive from a keyboard or a microphone.
Not here: anything that could turn one intent into another; words that carry the meaning (on, off, not) stay whole.
"""

from __future__ import annotations

import random
import re


def _words(table: str) -> tuple[str, ...]:
    return tuple(table.split())


TYPO_SHARE = 0.13
"""Share of sentences in which letters go wrong."""

SLIP_SHARE = 0.11
"""Share of sentences in which a word is misheard, abbreviated or misspelt in a usual way."""

NEIGHBOURS: dict[str, str] = {
    pair[0]: pair[2:]
    for pair in _words("""
        q=wa w=qes e=wrd r=etf t=ryg y=tuh u=yij i=uok o=ipl p=ol a=qsz s=adwx d=sfec f=dgrv g=fhtb h=gjyn
        j=hkum k=jlim l=kop z=asx x=zsc c=xdv v=cfb b=vgn n=bhm m=njk
    """)
}
"""Keys beside each key of a QWERTY keyboard."""

PROTECTED = _words("on off up down not no lock unlock arm disarm in out open close don't")
"""Words in which one letter is the difference between two intents, or all there is."""

SMALL_WORDS = _words("the a an my to in please is are of for some i you it that and")
"""Words that can be swallowed without loss."""

_SLIP_TABLE = """
please=pls/plz/pleas/plaese/pleese/plese; you=u/ya/yuo; your=ur/you're; are=r/ar;
tomorrow=tmrw/tommorow/tomorow/tomorrrow; temperature=temprature/temperture/temp;
thermostat=thermastat/thermostate/thermo; minutes=mins/minuts/minits; minute=min/minuit;
lights=lites/ligths/lihgts/light's/lghts; light=lite/ligth/ligt; bright=brite/brigt;
bedroom=bed room/bedrom/bedroon; bathroom=bath room/bathrom; kitchen=kichen/kitchin/kithcen;
hallway=hall way/halway; vacuum=vaccum/vacum/vaccuum/vacume; curtains=curtins/curtians/curtain;
blinds=blines/blind/bliends; alarm=alarme/allarm/alrm; security=securty/sercurity; volume=volumn/vollume/volum;
music=musik/musci/muzic; weather=wether/whether/wheather; garage=garadge/grage; it's=its/it is/tis;
what's=whats/wats/what is/wots; want=wanna/wnat; because=becuase/bcos/cuz; thanks=thx/thanx/tanks;
quiet=quite/qiuet; too=to/2; for=4/fro; to=2/too; there's=theres/their's; there=their/ther;
shopping=shoping/shoppin; set=sett/sit; turn=tern/trun/turm; switch=swich/swtich; door=dor/doer; dark=darc/drak;
cold=colde/coldd; freezing=freezin/freezeing; boiling=boilin; shades=shads; fan=fann/van;
dishwasher=dish washer/diswasher; coffee=cofee/coffe; brightness=britness/brightnes; colour=coler/colur;
color=coler/collor; heating=heatin/heeting; degrees=degress/degres/deg; percent=per cent/precent;
playlist=play list; hoover=hover/hoovr; timer=timmer/tiemr/time r; wake=weak/wak; and=an/n/&; with=wiht/w;
something=somthing/sumthing; forgot=forgott/forget; really=realy/rly; little=litle/lil; need=nead/ned; bit=bitt;
don't=dont/do not; tonight=tonite/2nite; could=cud/coud; would=wud/woud; can=cn/cann
"""

SLIPS: dict[str, tuple[str, ...]] = {
    word.strip(): tuple(wrong.strip().split("/"))
    for word, _, wrong in (entry.partition("=") for entry in _SLIP_TABLE.split(";"))
}
"""Word to the ways in which it is misheard or misspelt."""

PROPER = _words("""
    alexa google siri tv ac emma jack leo mia sam lily tom anna ben ella max sophie oliver grace noah monday
    tuesday wednesday thursday friday saturday sunday mozart beatles abba adele queen roomba spotify christmas
    halloween jarvis xbox tesco elvis mum dad
""")
"""Words that careful writers capitalise."""

_ASKS = re.compile(
    r"^((hey|ok|okay|um|uh|so|hi|well) )*(is|are|was|did|do|does|has|have|what|what's|how|how's|which"
    r"|who|why|when|can|could|would|will|should|shall|any|mind)\b"
)
_WORD = re.compile(r"[a-z']+")


def misspell(text: str, rng: random.Random) -> str:
    """Make one letter slip in a word that can bear it: a neighbouring key, a dropped, doubled or swapped letter."""
    words = text.split(" ")
    able = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha() and word not in PROTECTED]
    if not able:
        return text
    place = able[int(rng.random() * len(able))]
    word = words[place]
    at = 1 + int(rng.random() * (len(word) - 1))
    chance = rng.random()
    letter = word[at]
    if chance < 0.3:
        keys = NEIGHBOURS.get(letter, letter)
        word = word[:at] + keys[int(rng.random() * len(keys))] + word[at + 1 :]
    elif chance < 0.58:
        word = word[:at] + word[at + 1 :]
    elif chance < 0.76:
        word = word[:at] + letter + word[at:]
    elif chance < 0.94:
        word = word[: at - 1] + letter + word[at - 1] + word[at + 1 :]
    else:
        keys = NEIGHBOURS.get(letter, letter)
        word = word[:at] + keys[int(rng.random() * len(keys))] + word[at:]
    words[place] = word
    return " ".join(words)


def slip(text: str, rng: random.Random) -> str:
    """Replace one word by a usual misspelling, abbreviation or mishearing of it."""
    able = [word for word in _WORD.findall(text) if word in SLIPS]
    if not able:
        return text
    word = able[int(rng.random() * len(able))]
    wrong = SLIPS[word]
    return re.sub(rf"(?<![a-z']){re.escape(word)}(?![a-z'])", wrong[int(rng.random() * len(wrong))], text, count=1)


def swallow(text: str, rng: random.Random) -> str:
    """Leave out one small word."""
    words = text.split(" ")
    able = [place for place, word in enumerate(words) if word in SMALL_WORDS]
    if not able or len(words) < 4:
        return text
    place = able[int(rng.random() * len(able))]
    return " ".join(words[:place] + words[place + 1 :])


def write_out(text: str, rng: random.Random) -> str:
    """Give the sentence a writer's casing, apostrophes, commas and final mark."""
    chance = rng.random()
    if "'" in text:
        apostrophe = rng.random()
        if apostrophe < 0.3:
            text = text.replace("'", "")
        elif apostrophe < 0.33:
            text = text.replace("'", "\u2019")
    asks = _ASKS.match(text) is not None
    if "," in text and rng.random() < 0.5:
        text = text.replace(",", "")
    if chance < 0.5:
        return text
    mark = "?" if asks and rng.random() < 0.75 else (".", ".", ".", "!", "...", "!!")[int(rng.random() * 6)]
    if chance < 0.58:
        return text + mark
    if chance < 0.6:
        return text.upper()
    text = _sentence_case(text)
    return text if chance < 0.72 else text + mark


def _sentence_case(text: str) -> str:
    words = []
    for word in text.split(" "):
        bare = word.rstrip(",?")
        if bare == "i" or bare.startswith(("i'", "i\u2019")) or bare in PROPER:
            word = word.upper() if bare in ("tv", "ac") else word[0].upper() + word[1:]
        words.append(word)
    text = " ".join(words)
    return text[0].upper() + text[1:]


def disturb(text: str, rng: random.Random) -> str:
    """Pass a clean sentence through the whole layer.

    Args:
        text: lower case, not empty.
        rng: the only source of chance.
    Returns:
        The sentence as written or heard; never empty.
    """
    if rng.random() < SLIP_SHARE:
        text = slip(text, rng)
    if rng.random() < 0.05:
        text = swallow(text, rng)
    chance = rng.random()
    if chance < TYPO_SHARE:
        text = misspell(text, rng)
        if chance < TYPO_SHARE / 5:
            text = misspell(text, rng)
    if rng.random() < 0.006:
        first = text.split(" ", 1)[0]
        text = f"{first} {text}"
    return write_out(text, rng)
