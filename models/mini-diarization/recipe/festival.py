"""Festival as a process that speaks sentence after sentence; voices of several languages."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from .speech.espeak import Speech, Voice

PREFIX = "festival-"
USUAL_RATE = 170
VOICES = (
    "ked_diphone lp_diphone pc_diphone cmu_us_slt_arctic_hts upc_ca_ona_hts czech_dita czech_krb"
    " czech_machac czech_ph hy_fi_mv_diphone suo_fi_lj_diphone"
).split()
DONE = "spoken"


class Festival:
    """One process with one voice at a time."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            ["festival", "--pipe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.voice = ""

    def run(self, command: str) -> None:
        """Runs a command of festival's Scheme and waits for its end."""
        pipe_in, pipe_out = self.process.stdin, self.process.stdout
        assert pipe_in and pipe_out
        line = f'{command}\n(format t "{DONE}\\n")\n(fflush nil)\n'
        pipe_in.write(line.encode("latin1", "replace"))
        pipe_in.flush()
        while DONE.encode() not in (answer := pipe_out.readline()):
            if not answer:
                raise OSError("festival has ended")

    def say(self, text: str, voice: Voice) -> Speech:
        """Speaks a sentence; the pitch of a voice is its own, no times of words are known."""
        name = voice.name.removeprefix(PREFIX)
        if name != self.voice:
            self.voice = name
            self.run(f"(voice_{name})")
        text = text.strip(".?!").replace(",", "").lower()
        path = Path(self.folder.name) / "spoken.wav"
        path.unlink(missing_ok=True)
        self.run(f"(Parameter.set 'Duration_Stretch {USUAL_RATE / voice.rate:.2f})")
        self.run(f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}")')
        if not path.is_file():
            return Speech(np.zeros(0, np.float32), 16000, [], [])
        samples, rate = soundfile.read(path, dtype="float32")
        return Speech(samples, rate, [], [])

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()
