"""The names a resource goes by: singular and plural, as messages, fields, collections and prose spell them."""

from __future__ import annotations

import re

from protoplane.contract import casing

IRREGULAR = {
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "mouse": "mice",
    "goose": "geese",
    "tooth": "teeth",
    "foot": "feet",
    "datum": "data",
    "medium": "media",
    "criterion": "criteria",
    "index": "indexes",
    "quiz": "quizzes",
    "half": "halves",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "loaf": "loaves",
    "shelf": "shelves",
    "thief": "thieves",
    "wife": "wives",
    "wolf": "wolves",
}
UNCOUNTED = frozenset({"aircraft", "equipment", "information", "metadata", "news", "series", "software", "species", "staff"})


def words_of(name: str) -> list[str]:
    """Lower-case words of `WeatherStation`, `weatherStation`, `weather_station` or `weather-station`, split as the contract splits them."""
    return [word for word in casing.snake(name.replace("-", "_")).split("_") if word]


def plural_of(word: str) -> str:
    """The English plural of a lower-case noun."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in UNCOUNTED:
        return word
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(s|x|z|ch|sh)$", word) else f"{word}s"


def prose(name: str) -> str:
    """`weather station`."""
    return " ".join(words_of(name))


def pluralised(name: str) -> str:
    """The name with its last word in the plural, in lowerCamel: `weatherStations`."""
    *first, last = words_of(name)
    return casing.lower_camel("_".join((*first, plural_of(last))))


def with_article(noun: str) -> str:
    """`a shelf`, `an airport`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
