"""whisper.cpp through ctypes, from the shared library inside the `pywhispercpp` package.

The package's own interface has no custom alignment heads, which word times by dynamic time warping
need. The structures are those of whisper.cpp 1.8; `_check_layout` refuses any other.
"""

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

GREEDY, BEAM_SEARCH = 0, 1
HEADS_NONE, HEADS_CUSTOM = 0, 2


class _Head(ctypes.Structure):
    _fields_ = [("n_text_layer", c_int), ("n_head", c_int)]


class _Heads(ctypes.Structure):
    _fields_ = [("n_heads", c_size_t), ("heads", POINTER(_Head))]


class _ContextParams(ctypes.Structure):
    _fields_ = [
        ("use_gpu", c_bool),
        ("flash_attn", c_bool),
        ("gpu_device", c_int),
        ("dtw_token_timestamps", c_bool),
        ("dtw_aheads_preset", c_int),
        ("dtw_n_top", c_int),
        ("dtw_aheads", _Heads),
        ("dtw_mem_size", c_size_t),
    ]


class _Vad(ctypes.Structure):
    _fields_ = [
        ("threshold", c_float),
        ("min_speech_duration_ms", c_int),
        ("min_silence_duration_ms", c_int),
        ("max_speech_duration_s", c_float),
        ("speech_pad_ms", c_int),
        ("samples_overlap", c_float),
    ]


class _FullParams(ctypes.Structure):
    _fields_ = [
        ("strategy", c_int),
        ("n_threads", c_int),
        ("n_max_text_ctx", c_int),
        ("offset_ms", c_int),
        ("duration_ms", c_int),
        ("translate", c_bool),
        ("no_context", c_bool),
        ("no_timestamps", c_bool),
        ("single_segment", c_bool),
        ("print_special", c_bool),
        ("print_progress", c_bool),
        ("print_realtime", c_bool),
        ("print_timestamps", c_bool),
        ("token_timestamps", c_bool),
        ("thold_pt", c_float),
        ("thold_ptsum", c_float),
        ("max_len", c_int),
        ("split_on_word", c_bool),
        ("max_tokens", c_int),
        ("debug_mode", c_bool),
        ("audio_ctx", c_int),
        ("tdrz_enable", c_bool),
        ("suppress_regex", c_char_p),
        ("initial_prompt", c_char_p),
        ("carry_initial_prompt", c_bool),
        ("prompt_tokens", c_void_p),
        ("prompt_n_tokens", c_int),
        ("language", c_char_p),
        ("detect_language", c_bool),
        ("suppress_blank", c_bool),
        ("suppress_nst", c_bool),
        ("temperature", c_float),
        ("max_initial_ts", c_float),
        ("length_penalty", c_float),
        ("temperature_inc", c_float),
        ("entropy_thold", c_float),
        ("logprob_thold", c_float),
        ("no_speech_thold", c_float),
        ("greedy_best_of", c_int),
        ("beam_size", c_int),
        ("beam_patience", c_float),
        ("callbacks", c_void_p * 10),
        ("grammar_rules", c_void_p),
        ("n_grammar_rules", c_size_t),
        ("i_start_rule", c_size_t),
        ("grammar_penalty", c_float),
        ("vad", c_bool),
        ("vad_model_path", c_char_p),
        ("vad_params", _Vad),
    ]


class _TokenData(ctypes.Structure):
    _fields_ = [
        ("id", c_int),
        ("tid", c_int),
        ("p", c_float),
        ("plog", c_float),
        ("pt", c_float),
        ("ptsum", c_float),
        ("t0", c_int64),
        ("t1", c_int64),
        ("t_dtw", c_int64),
        ("vlen", c_float),
    ]


_LogCallback = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
_ignore_log = _LogCallback(lambda level, text, data: None)


def _load() -> ctypes.CDLL:
    spec = find_spec("_pywhispercpp")
    assert spec and spec.origin, "pip install pywhispercpp"
    library = ctypes.CDLL(str(Path(spec.origin).parent / "libwhisper.so"))
    library.whisper_version.restype = c_char_p
    library.whisper_context_default_params.restype = _ContextParams
    library.whisper_full_default_params.restype = _FullParams
    library.whisper_init_from_file_with_params.restype = c_void_p
    library.whisper_init_from_file_with_params.argtypes = [c_char_p, _ContextParams]
    library.whisper_full.argtypes = [c_void_p, _FullParams, POINTER(c_float), c_int]
    library.whisper_full_get_token_data.restype = _TokenData
    library.whisper_full_get_token_data.argtypes = [c_void_p, c_int, c_int]
    library.whisper_full_get_segment_text.restype = c_char_p
    library.whisper_full_get_segment_t0.restype = c_int64
    library.whisper_full_get_segment_t1.restype = c_int64
    library.whisper_token_to_str.restype = c_char_p
    library.whisper_lang_str.restype = c_char_p
    library.whisper_log_set(_ignore_log, None)
    return library


def _check_layout(params: _FullParams) -> None:
    """The defaults of whisper.cpp 1.8, from the start of the structure to its end."""
    close = lambda a, b: abs(a - b) < 1e-6  # noqa: E731
    fits = (
        params.n_max_text_ctx == 16384
        and close(params.thold_pt, 0.01)
        and params.language == b"en"
        and close(params.temperature_inc, 0.2)
        and close(params.entropy_thold, 2.4)
        and close(params.grammar_penalty, 100.0)
        and close(params.vad_params.threshold, 0.5)
    )
    assert fits, "this whisper.cpp has other structures than version 1.8"


@dataclass
class Token:
    """A text token and its times in seconds; `dtw` is negative when not asked for."""

    text: bytes
    probability: float
    start: float
    end: float
    dtw: float


@dataclass
class Segment:
    """A stretch of text with its times in seconds."""

    text: str
    start: float
    end: float
    tokens: list[Token]


@dataclass
class Settings:
    """How to decode; the defaults are the settings recommended for this model."""

    language: str = "en"
    beam_size: int = 0  # 0: greedy
    temperature_inc: float = 0.4
    max_text_context: int = 0
    audio_context: int = 0  # 0: the whole 30 s window
    threads: int = 1
    token_timestamps: bool = False
    alignment_heads: list[tuple[int, int]] = field(default_factory=list)  # (layer, head)


class Whisper:
    """A model loaded with fixed settings."""

    def __init__(self, model: Path, settings: Settings):
        self.library = _load()
        self.settings = settings
        params = self.library.whisper_context_default_params()
        params.use_gpu = False
        if settings.alignment_heads:
            heads = (_Head * len(settings.alignment_heads))(*settings.alignment_heads)
            self.heads = heads  # whisper.cpp keeps the pointer
            params.flash_attn = False
            params.dtw_token_timestamps = True
            params.dtw_aheads_preset = HEADS_CUSTOM
            params.dtw_aheads = _Heads(len(heads), ctypes.cast(heads, POINTER(_Head)))
        self.context = c_void_p(
            self.library.whisper_init_from_file_with_params(str(model).encode(), params)
        )
        assert self.context, f"cannot load {model}"

    @property
    def version(self) -> str:
        return self.library.whisper_version().decode()

    def _params(self) -> _FullParams:
        settings = self.settings
        params = self.library.whisper_full_default_params(
            BEAM_SEARCH if settings.beam_size else GREEDY
        )
        _check_layout(params)
        params.n_threads = settings.threads
        params.n_max_text_ctx = settings.max_text_context
        params.audio_ctx = settings.audio_context
        params.temperature_inc = settings.temperature_inc
        params.language = settings.language.encode()
        params.token_timestamps = settings.token_timestamps
        params.print_progress = False
        if settings.beam_size:
            params.beam_size = settings.beam_size
        return params

    def transcribe(self, samples: np.ndarray) -> list[Segment]:
        """Segments of 16 kHz mono samples."""
        data = np.ascontiguousarray(samples, np.float32)
        pointer = data.ctypes.data_as(POINTER(c_float))
        result = self.library.whisper_full(self.context, self._params(), pointer, len(data))
        assert result == 0, f"whisper_full failed with {result}"
        return [self._segment(i) for i in range(self.library.whisper_full_n_segments(self.context))]

    def _segment(self, number: int) -> Segment:
        library, context = self.library, self.context
        end_of_text = library.whisper_token_eot(context)
        tokens = []
        for at in range(library.whisper_full_n_tokens(context, number)):
            token = library.whisper_full_get_token_data(context, number, at)
            if token.id < end_of_text:
                text = library.whisper_token_to_str(context, token.id)
                times = (token.t0 / 100, token.t1 / 100, token.t_dtw / 100)
                tokens.append(Token(text, token.p, *times))
        return Segment(
            library.whisper_full_get_segment_text(context, number).decode("utf8", "replace"),
            library.whisper_full_get_segment_t0(context, number) / 100,
            library.whisper_full_get_segment_t1(context, number) / 100,
            tokens,
        )

    def detected_language(self) -> str:
        """The language of the last transcription."""
        number = self.library.whisper_full_lang_id(self.context)
        return self.library.whisper_lang_str(number).decode()
