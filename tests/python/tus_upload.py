"""Uploads a file by tuspy, over connections that break: FILE URL CHUNK_BYTES [checksum]."""

import sys

from tusclient.client import TusClient

file, url, chunk, *rest = sys.argv[1:]
uploader = TusClient(url).uploader(
    file,
    chunk_size=int(chunk),
    retries=50,
    retry_delay=0.05,
    metadata={"filename": "long recording.wav", "diarize": "false"},
    upload_checksum="checksum" in rest,
)
uploader.upload()
print(uploader.url, uploader.request.response_headers["x-job-id"])
