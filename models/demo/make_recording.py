"""Speaks `briefing.txt` with two espeak-ng voices: `briefing.flac`, and `briefing.json` with times.

    python make_recording.py

Needs espeak-ng and the Python packages of ../mini-whisper/requirements.txt. The sentences were
written and committed before any model had heard them, and stay as they are.
"""

import json
import random
import sys
from pathlib import Path

import numpy as np
import soundfile

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "mini-whisper"))

from recipe.speech import mel, voices  # noqa: E402
from recipe.speech.espeak import Espeak, Voice  # noqa: E402

SPEAKERS = {
    "Speaker 1": Voice("en-us+m3", rate=158, pitch=40, pitch_range=50),
    "Speaker 2": Voice("en-gb-x-rp+f2", rate=165, pitch=60, pitch_range=55),
}
LEAD, TAIL = 0.5, 0.7  # seconds of silence around the conversation
GAP = (0.3, 0.8)  # seconds between two turns
SILENT = 1e-3  # samples below this are silence at the edges of a turn


def spoken(espeak: Espeak, text: str, voice: Voice) -> np.ndarray:
    """16 kHz samples of one turn, without the silence at its edges."""
    voices.check(voice.name)
    speech = espeak.say(text, voice)
    samples = mel.resample(speech.samples, speech.sample_rate)
    loud = np.flatnonzero(np.abs(samples) > SILENT)
    return samples[loud[0] : loud[-1] + 1]


def main() -> None:
    espeak, rng = Espeak(), random.Random(1)
    parts = [np.zeros(int(LEAD * mel.SAMPLE_RATE), np.float32)]
    turns = []
    lines = (HERE / "briefing.txt").read_text(encoding="utf8").splitlines()
    for line in lines:
        speaker, text = line.split(": ", 1)
        start = sum(map(len, parts)) / mel.SAMPLE_RATE
        parts.append(spoken(espeak, text, SPEAKERS[speaker]))
        end = sum(map(len, parts)) / mel.SAMPLE_RATE
        turns.append(
            {"speaker": speaker, "start": round(start, 2), "end": round(end, 2), "text": text}
        )
        silence = TAIL if line == lines[-1] else rng.uniform(*GAP)
        parts.append(np.zeros(int(silence * mel.SAMPLE_RATE), np.float32))
    samples = np.concatenate(parts)
    soundfile.write(HERE / "briefing.flac", samples, mel.SAMPLE_RATE, subtype="PCM_16")
    truth = {
        "synthesiser": f"espeak-ng {espeak.version}",
        "voices": {speaker: voice.name for speaker, voice in SPEAKERS.items()},
        "seconds": round(len(samples) / mel.SAMPLE_RATE, 2),
        "turns": turns,
    }
    (HERE / "briefing.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
