"""espeak-ng in process: samples plus the times of words and phonemes, from its own events."""

import ctypes
from dataclasses import dataclass

import numpy as np

LIBRARY = "libespeak-ng.so.1"
OUTPUT_SYNCHRONOUS = 2
PHONEME_EVENTS, DONT_EXIT = 0x1, 0x8000
RATE, PITCH, RANGE, WORD_GAP = 1, 3, 4, 7
EVENT_END_OF_LIST, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
CHARACTERS_UTF8 = 1


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass
class Voice:
    """An espeak voice (`en-us+f3`) with its settings: words per minute, pitch and range 0 to 99."""

    name: str
    rate: int = 170
    pitch: int = 50
    pitch_range: int = 50
    word_gap: int = 0


@dataclass
class Speech:
    """Samples (float, +-1) at `sample_rate`, word starts as (text offset, sample) and phonemes."""

    samples: np.ndarray
    sample_rate: int
    words: list[tuple[int, int]]
    phonemes: list[tuple[int, str]]


class Espeak:
    """One synthesiser; the library keeps global state, so have one in a process."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(LIBRARY)
        self.sample_rate = self.library.espeak_Initialize(
            OUTPUT_SYNCHRONOUS, 0, None, PHONEME_EVENTS | DONT_EXIT
        )
        self.library.espeak_Info.restype = ctypes.c_char_p
        self.version = self.library.espeak_Info(None).decode()
        self.chunks: list[np.ndarray] = []
        self.speech = Speech(np.zeros(0), self.sample_rate, [], [])
        self.callback = _Callback(self._receive)
        self.library.espeak_SetSynthCallback(self.callback)

    def _receive(self, samples, count, events) -> int:
        if count > 0 and samples:
            self.chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        at = 0
        while events[at].type != EVENT_END_OF_LIST:
            event = events[at]
            if event.type == EVENT_WORD:
                self.speech.words.append((event.text_position - 1, event.sample))
            elif event.type == EVENT_PHONEME:
                phoneme = event.id.string.decode("latin1").rstrip("\0")
                self.speech.phonemes.append((event.sample, phoneme))
            at += 1
        return 0

    def say(self, text: str, voice: Voice) -> Speech:
        """Speaks one sentence. An unknown accent is an error; an unknown variant (`+name`) is not
        noticed by espeak, so `voices.py` checks those."""
        if self.library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice.name}")
        settings = {
            RATE: voice.rate,
            PITCH: voice.pitch,
            RANGE: voice.pitch_range,
            WORD_GAP: voice.word_gap,
        }
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        self.chunks = []
        self.speech = Speech(np.zeros(0), self.sample_rate, [], [])
        data = text.encode()
        self.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, CHARACTERS_UTF8, None, None)
        self.library.espeak_Synchronize()
        joined = np.concatenate(self.chunks) if self.chunks else np.zeros(0, np.int16)
        self.speech.samples = joined.astype(np.float32) / 32768
        return self.speech
