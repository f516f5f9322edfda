"""Training recipe of the miniature Whisper: text, speech, model, training, export, evaluation."""
