"""English inflection, numbers in words, and articles: rules with a table of exceptions."""

import re

from . import lexicon

IRREGULAR_VERBS = {
    base: (past, participle)
    for base, past, participle in (
        entry.split("/") for entry in lexicon.sections("words.txt")["irregular_verbs"]
    )
}
IRREGULAR_PLURALS = {
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "knife": "knives",
    "leaf": "leaves",
    "sheep": "sheep",
    "fish": "fish",
    "police": "police",
}
DOUBLED_IN_PAST = set(
    (
        "admit chat ship chop drop grab mop plan plug rob shop skip slip step stir stop trip wrap"
    ).split()
)
DOUBLED_IN_GERUND = DOUBLED_IN_PAST | set(
    "run sit swim get put cut set shut win hit let begin forget quit babysit dig".split()
)
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
TENS = ["", "", *"twenty thirty forty fifty sixty seventy eighty ninety".split()]
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()


def plural(noun: str) -> str:
    """`box` -> `boxes`."""
    if re.search("(s|x|ch|sh)$", noun):
        return noun + "es"
    if re.search("[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    if noun.endswith("man"):
        return noun[:-3] + "men"
    return IRREGULAR_PLURALS.get(noun, noun + "s")


def third_person(verb: str) -> str:
    """`carry` -> `carries`."""
    special = {"be": "is", "do": "does", "go": "goes", "have": "has"}.get(verb)
    if special:
        return special
    if re.search("(s|x|ch|sh|z)$", verb):
        return verb + "es"
    if re.search("[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + "s"


def past(verb: str) -> str:
    """`bring` -> `brought`."""
    if verb in IRREGULAR_VERBS:
        return IRREGULAR_VERBS[verb][0]
    if verb.endswith("e"):
        return verb + "d"
    if re.search("[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    if verb in DOUBLED_IN_PAST:
        return verb + verb[-1] + "ed"
    return verb + "ed"


def participle(verb: str) -> str:
    """`write` -> `written`."""
    return IRREGULAR_VERBS[verb][1] if verb in IRREGULAR_VERBS else past(verb)


def gerund(verb: str) -> str:
    """`make` -> `making`."""
    if verb in ("be", "see", "agree"):
        return verb + "ing"
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e"):
        return verb[:-1] + "ing"
    if verb in DOUBLED_IN_GERUND:
        return verb + verb[-1] + "ing"
    return verb + "ing"


def with_article(phrase: str) -> str:
    """`old car` -> `an old car`."""
    vowel = phrase[0] in "aeiou" and not re.match("(uni|use|usu|eur|one)", phrase)
    return ("an " if vowel else "a ") + phrase


def number(n: int) -> str:
    """0 to the low millions, in words: 142 -> `one hundred and forty two`."""
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (" " + ONES[n % 10] if n % 10 else "")
    if n < 1000:
        return ONES[n // 100] + " hundred" + (" and " + number(n % 100) if n % 100 else "")
    if n < 1_000_000:
        return number(n // 1000) + " thousand" + (" " + number(n % 1000) if n % 1000 else "")
    return number(n // 1_000_000) + " million"


def ordinal(n: int) -> str:
    """1 to 31: 23 -> `twenty third`."""
    if n <= 20:
        return ORDINALS[n - 1]
    return "thirtieth" if n == 30 else f"{TENS[n // 10]} {ORDINALS[n % 10 - 1]}"
