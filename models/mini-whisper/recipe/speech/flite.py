"""flite in process: samples plus the times of words and phonemes, from its own utterances."""

import ctypes
import re
from ctypes import POINTER, c_char_p, c_float, c_int, c_short, c_void_p

import numpy as np

from .espeak import Speech, Voice

PREFIX = "flite-"  # of the names of its voices
FEWEST_WORDS_A_MINUTE, USUAL_RATE = 100, 170
# flite's names of phonemes, and the names by which espeak calls the nearest ones
PHONEMES = dict(
    pair.split("/")
    for pair in (
        "aa/A: ae/a ah/V ao/O: aw/aU ax/@ ay/aI b/b ch/tS d/d dh/D eh/E er/3: ey/eI f/f g/g hh/h"
        " ih/I iy/i: jh/dZ k/k l/l m/m n/n ng/N ow/oU oy/OI p/p r/r s/s sh/S t/t th/T uh/U uw/u:"
        " v/v w/w y/j z/z zh/Z pau/_"
    ).split()
)
WORD_START = b"R:Token.daughter1.R:SylStructure.daughter1.daughter1.R:Segment.p.end"


class _Wave(ctypes.Structure):
    _fields_ = [
        ("type", c_char_p),
        ("sample_rate", c_int),
        ("num_samples", c_int),
        ("num_channels", c_int),
        ("samples", POINTER(c_short)),
    ]


class Flite:
    """The voices of Debian's flite; the one in use is chosen by the name in `Voice`."""

    def __init__(self) -> None:
        # its libraries need one another's symbols
        parts = ("", "_usenglish", "_cmulex")
        self.library, *_ = [
            ctypes.CDLL(f"libflite{part}.so.1", ctypes.RTLD_GLOBAL) for part in parts
        ]
        library = self.library
        library.flite_init()
        library.flite_synth_text.restype = c_void_p
        library.flite_synth_text.argtypes = [c_char_p, c_void_p]
        library.utt_wave.restype = POINTER(_Wave)
        library.utt_wave.argtypes = [c_void_p]
        library.delete_utterance.argtypes = [c_void_p]
        for name in ("utt_relation", "item_next", "relation_head"):
            getattr(library, name).restype = c_void_p
        library.utt_relation.argtypes = [c_void_p, c_char_p]
        library.item_next.argtypes = [c_void_p]
        library.relation_head.argtypes = [c_void_p]
        library.ffeature_float.restype = c_float
        library.ffeature_string.restype = c_char_p
        for name in ("ffeature_float", "ffeature_string"):
            getattr(library, name).argtypes = [c_void_p, c_char_p]
        library.feat_set_float.argtypes = [c_void_p, c_char_p, c_float]
        self.voices: dict[str, c_void_p] = {}

    def voice(self, name: str) -> c_void_p:
        if name not in self.voices:
            library = ctypes.CDLL(f"libflite_cmu_us_{name}.so.1", ctypes.RTLD_GLOBAL)
            register = library[f"register_cmu_us_{name}"]
            register.restype = c_void_p
            self.voices[name] = c_void_p(register(None))
        return self.voices[name]

    def items(self, utterance: c_void_p, relation: str) -> list[c_void_p]:
        found = []
        item = self.library.relation_head(self.library.utt_relation(utterance, relation.encode()))
        while item:
            found.append(c_void_p(item))
            item = self.library.item_next(c_void_p(item))
        return found

    def say(self, text: str, voice: Voice) -> Speech:
        """Speaks one sentence. `pitch` moves the whole voice, as a tape that runs faster does, by
        at most 12 %."""
        chosen = self.voice(voice.name.removeprefix(PREFIX))
        faster = 1 + 0.12 * (voice.pitch - 50) / 50
        stretch = USUAL_RATE / max(FEWEST_WORDS_A_MINUTE, voice.rate) * faster
        # the first member of the structure after the name is its features
        features = ctypes.cast(chosen, POINTER(c_void_p))[1]
        self.library.feat_set_float(features, b"duration_stretch", stretch)
        utterance = c_void_p(self.library.flite_synth_text(text.encode(), chosen))
        wave = self.library.utt_wave(utterance).contents
        samples = np.ctypeslib.as_array(wave.samples, shape=(wave.num_samples,)).copy()
        rate = wave.sample_rate
        number, string = self.library.ffeature_float, self.library.ffeature_string
        phonemes, start = [], 0.0
        for item in self.items(utterance, "Segment"):
            name = string(item, b"name").decode()
            phonemes.append((round(start * rate), PHONEMES.get(name, "_")))
            start = number(item, b"end")
        tokens = self.items(utterance, "Token")
        offsets = [match.start() for match in re.finditer(r"\S+", text)]
        starts = [round(number(item, WORD_START) * rate) for item in tokens]
        self.library.delete_utterance(utterance)
        if len(starts) != len(offsets):
            return Speech(np.zeros(0, np.float32), rate, [], [])
        first = starts[0]  # before it there is a pause
        return Speech(
            samples[first:].astype(np.float32) / 32768,
            round(rate * faster / 200) * 200,
            [(offset, start - first) for offset, start in zip(offsets, starts, strict=True)],
            [(at - first, name) for at, name in phonemes if at >= first],
        )
