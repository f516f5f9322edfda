"""Reads the word lists beside this file and the system's English dictionary."""

import re
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
SYSTEM_DICTIONARY = Path("/usr/share/dict/american-english")
COMMON_LISTS = sorted(Path("/usr/share/dict/scowl").glob("*-words.[12]0"))
COMMON_KINDS = ("english-words", "american-words")


@cache
def sections(name: str) -> dict[str, list[str]]:
    """The `[section]`s of a word list; entries are split at `|` if it is used, else at spaces.

    Lines that start with `#` are comments; `_` stands for a space where spaces separate entries.
    """
    text = (HERE / name).read_text(encoding="utf8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    by_bar = any("|" in line for line in lines)
    lists: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith("["):
            current = lists.setdefault(line.strip("[]"), [])
        elif by_bar:
            current += [entry.strip() for entry in line.split("|") if entry.strip()]
        else:
            current += [entry.replace("_", " ") for entry in line.split()]
    return lists


@cache
def dictionary(path: Path = SYSTEM_DICTIONARY) -> tuple[str, ...]:
    """Lower-case words of 3 to 11 letters from Debian's `wamerican` word list."""
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: install Debian's wamerican or pass --dictionary")
    words = Path(path).read_text(encoding="utf8").split()
    return tuple(word for word in words if re.fullmatch("[a-z]{3,11}", word))


@cache
def common() -> tuple[str, ...]:
    """The lower-case words of Debian's `scowl` that are used most, some 12,000."""
    lists = [path for path in COMMON_LISTS if path.stem in COMMON_KINDS]
    if not lists:
        raise FileNotFoundError("install Debian's scowl")
    words = [word for path in lists for word in path.read_text(encoding="latin1").split()]
    return tuple(word for word in words if re.fullmatch("[a-z]{2,13}", word))
