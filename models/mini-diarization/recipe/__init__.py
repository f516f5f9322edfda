"""Makes and measures the miniature diarization models; `README.md` beside it says how.

The modules `speech` and `text` are those of the miniature Whisper's recipe.
"""

from pathlib import Path

__path__.append(str(Path(__file__).parents[2] / "mini-whisper" / "recipe"))
