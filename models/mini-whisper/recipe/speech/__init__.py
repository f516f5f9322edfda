"""From sentences to sound with times: the synthesiser, its voices, and the log-mel spectrogram."""
