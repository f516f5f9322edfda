"""Measures exported weights through whisper.cpp: word errors, word times, silence, languages."""
