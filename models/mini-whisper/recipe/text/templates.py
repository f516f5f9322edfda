"""Random grammatical sentences from phrase templates: right grammar, little sense.

The order in which random numbers are drawn is fixed: a seed always gives the same sentences.
"""

import random
import re
from collections.abc import Sequence

from . import grammar, lexicon

WORDS = lexicon.sections("words.txt")
ADJECTIVES, ADVERBS, DAYS = WORDS["adjectives"], WORDS["adverbs"], WORDS["days"]
INTRANSITIVE, MONTHS, PERSONS = WORDS["intransitive_verbs"], WORDS["months"], WORDS["persons"]
PLACES, PREPOSITIONS, THINGS = WORDS["places"], WORDS["prepositions"], WORDS["things"]
TRANSITIVE, UNITS = WORDS["transitive_verbs"], WORDS["units"]
SINGULAR, PLURAL = "singular", "plural"
DETERMINERS = "the the the the my your his her our their this that every each another some".split()
PLURAL_DETERMINERS = "the these those our their most several many few some all".split()
OPENINGS = ["yesterday", "however", "of course", "in fact", "for example"]
CLOSINGS = (
    "after that|at first|fortunately|unfortunately|finally|in the end|well|yes|no|okay|actually"
).split("|")
CONJUNCTIONS = (
    ", and |, but | because | when | while | if |, so | after | before | although ".split("|")
)
GREETINGS = (
    "good morning|good evening|hello|hi|thank you|thanks|welcome|goodbye|excuse me|sorry".split("|")
)


class Templates:
    """A stream of sentences; `rare` is the share of content words drawn from the dictionary."""

    def __init__(self, seed: int, dictionary: Sequence[str], rare: float = 0.12):
        self.random = random.Random(seed)
        self.pick = self.random.choice
        self.dictionary = dictionary
        self.rare = rare

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def among(self, words: str) -> str:
        return self.pick(words.split())

    def rare_word(self) -> str:
        return self.pick(self.dictionary)

    def noun(self) -> str:
        if self.chance(self.rare):
            return self.rare_word()
        return self.pick(THINGS) if self.chance(0.7) else self.pick(PERSONS)

    def adjective(self) -> str:
        return self.rare_word() if self.chance(self.rare * 0.4) else self.pick(ADJECTIVES)

    def optional_adjective(self, probability: float) -> str:
        return self.adjective() + " " if self.chance(probability) else ""

    def name(self) -> str:
        x, first = self.random.random(), self.pick(WORDS["first_names"])
        if x < 0.6:
            return first
        if x < 0.85:
            return f"{first} {self.pick(WORDS['surnames'])}"
        return self.pick(["Mister ", "Doctor ", "Professor "]) + self.pick(WORDS["surnames"])

    def number(self, low: int = 2, high: int = 99) -> str:
        return grammar.number(self.random.randint(low, high))

    def large_number(self) -> str:
        if self.chance(0.6):
            return self.number()
        round_numbers = [100, 200, 250, 300, 400, 500, 600, 700, 750, 800, 900]
        round_numbers += [1000, 1500, 2000, 5000, 10000]
        round_numbers += [self.random.randint(100, 999), self.random.randint(1000, 9999)]
        return grammar.number(self.pick(round_numbers))

    def date(self) -> str:
        day = grammar.ordinal(self.random.randint(1, 31))
        x = self.random.random()
        if x < 0.4:
            return f"{self.pick(MONTHS)} {day}"
        if x < 0.7:
            return self.pick(DAYS)
        if x < 0.85:
            return f"the {day} of {self.pick(MONTHS)}"
        return self.pick(["twenty ", "nineteen "]) + self.number(20, 99)

    def time(self) -> str:
        x, hour = self.random.random(), grammar.ONES[self.random.randint(1, 12)]
        if x < 0.3:
            return f"{hour} o'clock"
        if x < 0.6:
            return f"{hour} {self.among('fifteen thirty forty-five twenty ten').replace('-', ' ')}"
        if x < 0.8:
            return self.pick(["half past ", "quarter past ", "quarter to "]) + hour
        of_day = [f"{hour} in the {part}" for part in ("morning", "afternoon", "evening")]
        return self.pick(["noon", "midnight", *of_day])

    def noun_phrase(self, nested: bool = False) -> str:
        x = self.random.random()
        if x < 0.12:
            return self.name()
        if x < 0.17:
            return self.pick(WORDS["abstract_nouns"])
        if x < 0.24:
            return f"{self.number(2, 40)} {grammar.plural(self.noun())}"
        determiner = self.pick(DETERMINERS)
        noun = self.noun()
        adjective = self.optional_adjective(0.35)
        if x < 0.4:
            phrase = grammar.with_article(adjective + noun)
        elif x < 0.5:
            phrase = f"{self.pick(PLURAL_DETERMINERS)} {adjective}{grammar.plural(noun)}"
        else:
            phrase = f"{determiner} {adjective}{noun}"
        if not nested and self.chance(0.15):
            phrase += f" {self.pick(['of', 'of', 'of', *PREPOSITIONS])} {self.noun_phrase(True)}"
        return phrase

    def subject(self) -> tuple[str, str]:
        """A subject and its number."""
        x = self.random.random()
        if x < 0.3:
            plural = [(pronoun, PLURAL) for pronoun in ("I", "you", "we", "they")]
            return self.pick(plural + [(pronoun, SINGULAR) for pronoun in ("he", "she", "it")])
        if x < 0.55:
            return self.name(), SINGULAR
        if x < 0.7:
            determiner = self.among("the our their these those most some")
            return f"{determiner} {grammar.plural(self.noun())}", PLURAL
        determiner = self.among("the the my your our this that every")
        return f"{determiner} {self.optional_adjective(0.3)}{self.noun()}", SINGULAR

    def predicate(self, number: str) -> str:
        """A verb with its objects, then perhaps when, where or how."""
        phrase = self.verb_phrase(number)
        y = self.random.random()
        if y < 0.10:
            phrase += " " + self.pick(ADVERBS)
        elif y < 0.20:
            phrase += " " + self.circumstance()
        elif y < 0.26:
            phrase += f" {self.pick(PREPOSITIONS)} {self.noun_phrase()}"
        return phrase

    def circumstance(self) -> str:
        return self.pick(
            [
                "on " + self.date(),
                "at " + self.time(),
                "in " + self.pick(PLACES),
                "near " + self.pick(PLACES),
                "last " + self.among("week month year night summer winter"),
                "every " + self.among("day week month year morning evening"),
                f"for {self.number()} {self.among('minutes hours days weeks months years')}",
                f"{self.number(2, 50)} {self.among('minutes hours days weeks months years')} ago",
            ]
        )

    def verb_phrase(self, number: str) -> str:
        singular = number == SINGULAR
        x = self.random.random()
        now, before, have = ("is", "was", "has") if singular else ("are", "were", "have")
        if x < 0.20:
            return f"{grammar.past(self.pick(TRANSITIVE))} {self.noun_phrase()}"
        if x < 0.32:
            verb = self.pick(TRANSITIVE)
            return f"{grammar.third_person(verb) if singular else verb} {self.noun_phrase()}"
        if x < 0.42:
            modal = self.among("will can must should could would might may cannot")
            return f"{modal} {self.pick(TRANSITIVE)} {self.noun_phrase()}"
        if x < 0.50:
            be, degrees = self.pick([now, before]), "very quite too so rather not still almost"
            degree = self.among(degrees) + " " if self.chance(0.5) else ""
            return f"{be} {degree}{self.adjective()}"
        if x < 0.58:
            be, verb = self.pick([now, before]), grammar.gerund(self.pick(TRANSITIVE))
            return f"{be} {verb} {self.noun_phrase()}"
        if x < 0.64:
            how = self.pick(["", "already ", "never ", "just "])
            return f"{have} {how}{grammar.participle(self.pick(TRANSITIVE))} {self.noun_phrase()}"
        if x < 0.70:
            verb = grammar.past(self.pick(INTRANSITIVE))
            return f"{verb} {self.pick(PREPOSITIONS)} {self.noun_phrase()}"
        if x < 0.76:
            do_not = "does not" if singular else "do not"
            negation = self.pick(["did not", do_not, "will not", "could not"])
            return f"{negation} {self.pick(TRANSITIVE)} {self.noun_phrase()}"
        if x < 0.82:
            forms = (
                ("wants", "needs", "tried", "has", "hopes")
                if singular
                else ("want", "need", "tried", "have", "hope")
            )
            wish = self.pick([form + " to" for form in forms])
            return f"{wish} {self.pick(TRANSITIVE)} {self.noun_phrase()}"
        if x < 0.88:
            be = self.pick([now, before])
            adjective = self.optional_adjective(0.5)
            return f"{be} {grammar.with_article(adjective + self.pick(PERSONS + THINGS))}"
        if x < 0.94:
            be, verb = self.pick([now, before]), grammar.participle(self.pick(TRANSITIVE))
            return f"{be} {verb} {self.among('by in at for with')} {self.noun_phrase()}"
        return f"{grammar.past(self.pick(INTRANSITIVE))} {self.pick(ADVERBS)}"

    def clause(self) -> str:
        subject, number = self.subject()
        if subject != "I":
            return f"{subject} {self.predicate(number)}"
        predicate = re.sub(r"^are\b", "am", self.predicate(PLURAL))
        return "I " + re.sub(r"^were\b", "was", predicate)

    def set_phrase(self) -> str:
        """A sentence of the kinds that meetings, orders and announcements have."""
        pick, number = self.pick, self.number
        noun_phrase = self.noun_phrase

        def transitive() -> str:
            return pick(TRANSITIVE)

        return pick(
            [
                lambda: (
                    f"the meeting {pick(['starts', 'begins', 'ends'])} at {self.time()}"
                    f" on {pick(DAYS)}"
                ),
                lambda: (
                    f"please {transitive()} {noun_phrase()} {pick(['before', 'after', 'by'])}"
                    f" {self.date()}"
                ),
                lambda: (
                    f"{self.name()} {pick(['lives', 'works', 'was born', 'arrived', 'stayed'])}"
                    f" in {pick(PLACES)}"
                ),
                lambda: (
                    f"the {self.among('price cost total budget salary revenue bill rent')}"
                    f" {pick(['is', 'was', 'rose to', 'fell to', 'will be'])} {self.large_number()}"
                    f" {pick(UNITS[:4])}"
                ),
                lambda: (
                    f"it {pick(['takes', 'took', 'will take'])}"
                    f" {pick(['about ', '', 'at least ', 'almost '])}{number()}"
                    f" {self.among('seconds minutes hours days weeks')} to"
                    f" {transitive()} {noun_phrase()}"
                ),
                lambda: (
                    f"there {pick(['are', 'were'])} {self.large_number()} {pick(UNITS)}"
                    f" in {noun_phrase()}"
                ),
                lambda: (
                    f"{pick(GREETINGS)}, "
                    + pick(
                        [
                            "everyone",
                            "my name is " + self.name(),
                            self.name(),
                            "ladies and gentlemen",
                            "and welcome to " + noun_phrase(),
                        ]
                    )
                ),
                lambda: f"the {pick(grammar.ORDINALS)} {pick(THINGS)} {self.predicate(SINGULAR)}",
                lambda: (
                    "my "
                    + pick(
                        ["phone number", "account number", "order number", "room number", "code"]
                    )
                    + " is "
                    + " ".join(pick(grammar.ONES[:10]) for _ in range(self.random.randint(3, 6)))
                ),
                lambda: (
                    f"the train to {pick(PLACES)} leaves at {self.time()}"
                    f" from platform {number(1, 20)}"
                ),
                lambda: (
                    f"{pick(PLACES)} and {pick(PLACES)} are {pick(['both', 'not'])}"
                    f" {self.adjective()}"
                ),
                lambda: f"{self.name()} and {self.name()} {self.predicate(PLURAL)}",
                lambda: (
                    f"we {pick(['sold', 'bought', 'sent', 'counted', 'received', 'processed'])}"
                    f" {self.large_number()} {grammar.plural(self.noun())} in {pick(MONTHS)}"
                ),
                lambda: f"today is {pick(DAYS)}, {pick(MONTHS)} {pick(grammar.ORDINALS)}",
                lambda: (
                    f"about {number()} percent of {pick(['the', 'our', 'all'])}"
                    f" {grammar.plural(self.noun())} {self.predicate(PLURAL)}"
                ),
                lambda: (
                    f"let us {transitive()} {noun_phrase()}"
                    f" {pick(['first', 'now', 'together', 'tomorrow', 'again'])}"
                ),
                lambda: f"do not {transitive()} {noun_phrase()}",
                lambda: (
                    f"the {self.among('speaker worker server recording transcript model audio')}"
                    f" {self.predicate(SINGULAR)}"
                ),
                lambda: (
                    pick(
                        ["according to", "because of", "thanks to", "instead of", "in addition to"]
                    )
                    + f" {noun_phrase()}, {self.clause()}"
                ),
            ]
        )()

    def question(self) -> str:
        pick, noun_phrase = self.pick, self.noun_phrase

        def transitive() -> str:
            return pick(TRANSITIVE)

        return pick(
            [
                lambda: f"where {pick(['is', 'was'])} {noun_phrase()}",
                lambda: f"what {pick(['is', 'was', 'about', 'happened to'])} {noun_phrase()}",
                lambda: (
                    "how "
                    + pick(
                        [
                            f"many {grammar.plural(self.noun())} do you need",
                            "much does it cost",
                            f"often do you {transitive()} {noun_phrase()}",
                            f"is {noun_phrase()}",
                            "long will it take",
                        ]
                    )
                ),
                lambda: (
                    f"when {pick(['will', 'did', 'can', 'should'])}"
                    f" {self.among('you we they he she it')} {transitive()} {noun_phrase()}"
                ),
                lambda: (
                    f"why {pick(['did', 'would', 'should'])} {self.name()} {transitive()}"
                    f" {noun_phrase()}"
                ),
                lambda: (
                    f"{pick(['can', 'could', 'will', 'would', 'did', 'do'])}"
                    f" {self.among('you we they I')} {transitive()} {noun_phrase()}"
                ),
                lambda: f"who {grammar.past(transitive())} {noun_phrase()}",
                lambda: f"{pick(['is', 'was'])} {noun_phrase()} {self.adjective()}",
                lambda: f"which {self.noun()} {self.predicate(SINGULAR)}",
            ]
        )()

    def sentence(self) -> str:
        x = self.random.random()
        end = "."
        if x < 0.48:
            text = self.clause()
        elif x < 0.70:
            text = self.set_phrase()
        elif x < 0.80:
            text, end = self.question(), "?"
        elif x < 0.88:
            text = self.clause() + self.pick(CONJUNCTIONS) + self.clause()
        elif x < 0.93:
            openings = [*OPENINGS, "on " + self.date(), "in " + self.pick(PLACES), *CLOSINGS]
            text = f"{self.pick(openings)}, {self.clause()}"
        elif x < 0.96:
            text = self.noun_phrase()
        else:
            text = " ".join(self.rare_word() for _ in range(self.random.randint(2, 6)))
        text = re.sub(r"\s+", " ", text).strip()
        return text[0].upper() + text[1:] + end
