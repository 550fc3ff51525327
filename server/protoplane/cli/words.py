"""The names a resource goes by: singular and plural, as messages, fields, collections and prose spell them."""

from __future__ import annotations

import re

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
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words_of(name: str) -> list[str]:
    """Lower-case words of `WeatherStation`, `weatherStation` or `weather_station`."""
    return [word.lower() for word in WORD.findall(name)]


def plural_of(word: str) -> str:
    """The English plural of a lower-case noun."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in UNCOUNTED:
        return word
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(s|x|z|ch|sh)$", word) else f"{word}s"


def snake(name: str) -> str:
    """`weather_station`."""
    return "_".join(words_of(name))


def upper_camel(name: str) -> str:
    """`WeatherStation`."""
    return "".join(word.capitalize() for word in words_of(name))


def lower_camel(name: str) -> str:
    """`weatherStation`."""
    camel = upper_camel(name)
    return camel[:1].lower() + camel[1:]


def prose(name: str) -> str:
    """`weather station`."""
    return " ".join(words_of(name))


def pluralised(name: str) -> str:
    """The name with its last word in the plural, in lowerCamel: `weatherStations`."""
    *first, last = words_of(name)
    return lower_camel("_".join((*first, plural_of(last))))


def with_article(noun: str) -> str:
    """`a shelf`, `an airport`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
