"""Reads a subtitle file as a well-known library does: the cues as JSON, times in milliseconds."""

import json
import sys

import pysubs2
import webvtt


def of_srt(path):
    for event in pysubs2.load(path, format_="srt"):
        yield event.start, event.end, event.plaintext


def of_vtt(path):
    def millis(time):
        hours, minutes, seconds = time.split(":")
        return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)

    for caption in webvtt.read(path):
        yield millis(caption.start), millis(caption.end), caption.raw_text


path = sys.argv[1]
read = of_srt if path.endswith(".srt") else of_vtt
json.dump(list(read(path)), sys.stdout)
