"""How people dress a request: wake words, politeness, hesitation, reasons, second thoughts.

What enters: the bare sentence of a frame and its kind. What leaves: the sentence as somebody would say it, lower case.
Not here: slips of finger and ear (``grammar_noise``), and anything that knows an intent by name except ``NO_APPEAL``.
"""

from __future__ import annotations

import random

from smallwright.demo.grammar_expander import Expander

COMMAND_LEAD = """
    please*8|can you*10|could you*8|would you*4|can you please*5|could you please*4|please can you*3|will you*3
    |please could you*2|i want you to*3|i need you to*3|i'd like you to*3|i would like you to|go ahead and*2|just*3
    |you can|we need to*3|i'd like to*3|i want to*2|let's*2|would you please|kindly|pls*2|plz|can u*2|could u
    |can we*2|could we|can i*1|quick,|quickly|do me a favour and|do me a favor and|be a dear and|be a love and
    |would you be so kind as to|would you be so good as to|you need to|you should|time to|it's time to|help me
    |make sure you|i think you should|if you could|if you would|maybe|and|then|now|ok now|next|first|hurry up and
    |are you able to|is it possible to|can you quickly|could you possibly|can you maybe|can you just*2
    |could you just*2|please just|i need to*2|we should|we'd like to|i was hoping you could|would it be possible to
    |do you think you could|mind if we|i'm asking you to|can somebody|someone|can someone please|gonna need you to
    |i gotta|we have to|let me|can you go|could you kindly|don't forget to|try to|yeah"""

GERUND_LEAD = (
    "would you mind*5|do you mind*2|how about*3|i'd appreciate you|what about|mind*2|any chance of you|thanks for"
)

QUESTION_LEAD = """
    do you know,*2|tell me,*4|quick question,*2|can you check,*2|just wondering,*2|any idea,*2|can you tell me,*3
    |remind me,|out of curiosity,|question,|let me know,|please tell me,*2|do me a favour and check,
    |could you tell me,*2|i forgot,|one more thing,|say,|listen,"""

WAKE = """
    hey google*4|ok google*4|alexa*6|hey siri*3|siri*2|computer*2|hey*5|hi*2|hello*2|ok house|hey house*2|jarvis
    |assistant*2|yo|oi|google*3|hey there|okay google*2|hello house|dear house|house*2|excuse me|hey jarvis|home
    |hey home|hey assistant*2|hi there|listen|hey buddy"""

FILLER = """
    um*4|uh*4|so*3|well*3|right*2|er*3|ok so|oh*4|hmm*3|actually*3|erm*2|ah|ok*3|okay*3|right then|you know what
    |i think|alright|now then|let me think|let me see|oh dear|goodness|oh no*2|look|ugh*2|wow|sorry*2|oops|god
    |blimey|gosh|oh and*2|anyway|wait*2|oh yeah|hm|honestly|eh"""

MIDDLE_FILLER = "um*4|uh*4|er*3|like*2|you know|erm*2|i mean|uhh|hmm"

COMMAND_TAIL = """
    please*14|thanks*4|thank you*4|now*4|right now*2|for me*4|will you*2|would you*2|can you*2|if you can*2
    |if you don't mind*2|ta|when you get a chance|cheers*2|love|darling|mate*2|dear|asap|quickly|ok|okay|pls*3|thx*2
    |if possible|please and thank you|if you would|could you|would you please|thank you very much|quick|and hurry up
    |immediately|thank you dear|thank you kindly|straight away|a bit sharpish|please google|please alexa|alexa
    |google|i beg you|for a while|that would be great|that'd be lovely|buddy|when you can|sweetheart|honey|man|bro
    |for goodness sake|again*2|as soon as possible|for us|real quick|today|don't forget|won't you|yeah|eh|then
    |this time|already|like i asked"""

APPEAL = """
    can you help*3|can you do something*3|do something*2|can you fix that*2|please help*2|can you sort it out*2
    |sort it out|help*2|please*4|can you do something about it*4|fix it please|could you see to it*2
    |do something about that*2|can you take care of it*2|what can you do|can you sort that*2|help me out
    |could you help with that|fix that|could you do something please|would you see to that|i can't stand it"""

NEED_TAIL = """
    please*6|thanks*3|now*2|you know|honestly|again*2|thank you|today|mate|alexa|google|dear|ok|i think*2|really
    |right now*2|love"""

QUESTION_TAIL = """
    please*3|do you know*2|right now*2|do you think*2|i wonder|google|alexa|dear|thanks*2|at the moment
    |by any chance*2|or what|can you check*2"""

BECAUSE = "because*4|cause*2|cos*3|since*2|as|*9|'cause|coz"

SECOND_THOUGHT = """
    no wait*4|no sorry|sorry i mean*3|i mean*2|actually no*2|no no|oh no wait|scratch that*2|wait no*3|no,
    |actually*2|hang on|forget that"""

_GERUND_TABLE = """
    turn=turning switch=switching put=putting set=setting make=making open=opening close=closing
    shut=shutting lock=locking unlock=unlocking play=playing stop=stopping start=starting add=adding
    dim=dimming brighten=brightening change=changing get=getting bring=bringing give=giving
    raise=raising lower=lowering cancel=cancelling arm=arming disarm=disarming activate=activating
    vacuum=vacuuming hoover=hoovering send=sending tell=telling check=checking pull=pulling draw=drawing
    pause=pausing wake=waking let=letting keep=keeping leave=leaving run=running clean=cleaning
    mute=muting buy=buying write=writing warm=warming cool=cooling heat=heating increase=increasing
    reduce=reducing decrease=decreasing pop=popping stick=sticking delete=deleting kill=killing
    deactivate=deactivating boil=boiling brew=brewing light=lighting dock=docking forget=forgetting
    time=timing remind=reminding create=creating buzz=buzzing
"""

GERUNDS: dict[str, str] = {verb: form for verb, form in (pair.split("=") for pair in _GERUND_TABLE.split())}
"""The -ing form of verbs that begin frames."""

NO_APPEAL = ("scene_activate", "weather_query", "temperature_query", "state_query", "alarm_set")
"""Intents whose statements already say what is wanted; "can you do something about it" would be odd after them."""

SLOTS: dict[str, str] = {
    name: "|".join(part.strip() for part in table.split("|"))
    for name, table in (
        ("command_lead", COMMAND_LEAD),
        ("gerund_lead", GERUND_LEAD),
        ("question_lead", QUESTION_LEAD),
        ("wake", WAKE),
        ("filler", FILLER),
        ("middle_filler", MIDDLE_FILLER),
        ("command_tail", COMMAND_TAIL),
        ("appeal", APPEAL),
        ("need_tail", NEED_TAIL),
        ("question_tail", QUESTION_TAIL),
        ("because", BECAUSE),
        ("second_thought", SECOND_THOUGHT),
    )
}

_SPEAKER = ("i ", "i'd", "we ", "we'd", "can i", "can we", "could we", "let", "mind if", "help me")
_NOT_AFTER_LEAD = ("don't", "let's", "no", "never", "not", "remember", "please", "let", "lock not", "unlock not")


class Stylist:
    """Dresses sentences.

    Args:
        expander: knows ``SLOTS`` above.
    """

    def __init__(self, expander: Expander) -> None:
        self._expander = expander

    def dress(self, text: str, kind: str, label: str, reason: str | None, rng: random.Random) -> str:
        """Say one sentence in somebody's manner.

        Args:
            text: a frame, expanded.
            kind: ``commands``, ``needs``, ``questions`` or ``fragments``.
            label: the intent, looked up in ``NO_APPEAL`` only.
            reason: a clause that may be given as the reason, or None for none.
            rng: the only source of chance.
        Returns:
            The sentence, lower case, without final punctuation.
        """
        if kind == "commands":
            text = self.lead(text, rng)
        elif kind == "questions" and rng.random() < 0.12:
            text = f"{self._say('question_lead', rng)} {text}"
        if reason is not None:
            text = self._with_reason(text, reason, rng)
        elif rng.random() < 0.24:
            text = self._tail(text, kind, label, rng)
        elif kind == "fragments" and rng.random() < 0.05:
            text = f"please {text}"
        if rng.random() < 0.13:
            text = f"{self._say('wake', rng)}, {text}"
        if rng.random() < 0.08:
            text = f"{self._say('filler', rng)}, {text}"
        if rng.random() < 0.03:
            text = self._hesitate(text, rng)
        return text

    def second_thought(self, before: str, after: str, rng: random.Random) -> str:
        """Join what was said by mistake and what was meant."""
        return f"{before}, {self._say('second_thought', rng)} {after}"

    def _say(self, slot: str, rng: random.Random) -> str:
        return self._expander.expand("{" + slot + "}", rng)

    def lead(self, text: str, rng: random.Random) -> str:
        """Put "can you" and the like before a command, or nothing."""
        first, _, rest = text.partition(" ")
        chance = rng.random()
        if first in _NOT_AFTER_LEAD:
            return text
        if chance < 0.42:
            lead = self._say("command_lead", rng)
            clumsy = lead.startswith(_SPEAKER) and (" me" in text or " us" in text)
            return f"please {text}" if clumsy else f"{lead} {text}"
        if chance < 0.47 and first in GERUNDS:
            return f"{self._say('gerund_lead', rng)} {GERUNDS[first]} {rest}"
        return text

    def _with_reason(self, text: str, reason: str, rng: random.Random) -> str:
        if rng.random() < 0.4:
            return f"{reason}, {text}" if rng.random() < 0.7 else f"{reason} so {text}"
        because = self._say("because", rng)
        return f"{text} {because} {reason}" if because else f"{text}, {reason}"

    def _tail(self, text: str, kind: str, label: str, rng: random.Random) -> str:
        if kind == "questions":
            slot = "question_tail"
        elif kind == "needs":
            slot = "need_tail" if label in NO_APPEAL or rng.random() < 0.5 else "appeal"
        else:
            slot = "command_tail"
        tail = self._say(slot, rng)
        if tail.startswith("please") and "please" in text:
            return text
        comma = "," if rng.random() < 0.25 or slot == "appeal" else ""
        return f"{text}{comma} {tail}"

    def _hesitate(self, text: str, rng: random.Random) -> str:
        words = text.split()
        if len(words) < 3:
            return text
        place = 1 + int(rng.random() * (len(words) - 1))
        return " ".join([*words[:place], self._say("middle_filler", rng), *words[place:]])
