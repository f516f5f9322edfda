"""Streams samples by the official client, and has it transcribe a file: SERVER KEY SAMPLES FILE.

SAMPLES are raw, 16 kHz, 16 bits, mono, and sent as fast as they are spoken. Prints one JSON document.
"""

import json
import sys
import time

import websocket
from sttai import STTClient

server, key, samples, file = sys.argv[1:]
FRAME_BYTES = 4096
BYTES_PER_SECOND = 32_000

client = STTClient(key, base_url=server)
texts, messages = [], []


def on_transcript(message):
    # As the client's own example does; a message without a text would end in an error.
    texts.append(message["text"])
    messages.append(message)


session = client.stream(on_transcript, language="en")
began, sent = time.monotonic(), 0
with open(samples, "rb") as audio:
    while frame := audio.read(FRAME_BYTES):
        session.send(frame)
        sent += len(frame)
        time.sleep(max(0.0, began + sent / BYTES_PER_SECOND - time.monotonic()))
result = session.finish()
session.close()

json.dump(
    {
        "websocket_client": websocket.__version__,
        "texts": texts,
        "messages": messages,
        "result": result,
        "transcribed": client.transcribe(file, language="en", diarize=False),
    },
    sys.stdout,
)
