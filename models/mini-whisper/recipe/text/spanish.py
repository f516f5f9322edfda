"""A little Spanish, so that language detection has two languages to tell apart."""

import random

from . import lexicon

WORDS = lexicon.sections("spanish.txt")
GREETINGS = ["buenos días", "hola", "gracias", "por favor", "muchas gracias", "bienvenidos"]


def sentence(rng: random.Random) -> str:
    """One sentence from six patterns."""
    pick = {name: (lambda entries=entries: rng.choice(entries)) for name, entries in WORDS.items()}
    noun, predicate, verb, subject = (
        pick["nouns"],
        pick["predicates"],
        pick["verbs"],
        pick["subjects"],
    )
    when, number, plural = pick["times"], pick["numbers"], pick["plurals"]
    x = rng.random()
    if x < 0.25:
        text = f"{noun()} {predicate()}"
    elif x < 0.6:
        text = f"{subject()} {verb()} {noun()} {when()}"
    elif x < 0.7:
        text = f"{when()} {subject()} {verb()} {number()} {plural()}"
    elif x < 0.8:
        text = f"tenemos {number()} {plural()} para {noun()}"
    elif x < 0.9:
        where = rng.random() < 0.5
        text = f"¿dónde está {noun()}?" if where else f"¿cuándo {verb()} {subject()} {noun()}?"
    else:
        text = f"{rng.choice(GREETINGS)}, {noun()} {predicate()}"
    first = 1 if text[0] == "¿" else 0
    text = text[:first] + text[first].upper() + text[first + 1 :]
    return text if text.endswith("?") else text + "."
