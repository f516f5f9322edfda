#!/usr/bin/env bash
# Makes the corpus of the fuzz target: a quarter of a second of every format that is decoded natively, and of the
# others, whose first bytes are looked at all the same. Made again only if a format is added.
set -euo pipefail
cd "$(dirname "$0")"

tone="-f lavfi -i aevalsrc=exprs=0.3*sin(1000*t*(1+t)):s=16000:d=0.25"
picture="-f lavfi -i color=size=16x16:rate=8:duration=0.25"

make() {
    local name=$1
    shift
    # shellcheck disable=SC2086
    ffmpeg -hide_banner -nostdin -loglevel error -y $tone "$@" -fflags +bitexact -flags +bitexact \
        -map_metadata -1 -threads 1 "$name"
}

film() {
    local name=$1
    shift
    # shellcheck disable=SC2086
    make "$name" $picture "$@"
}

make u8.wav -c:a pcm_u8 -ar 8000
make s16.wav -c:a pcm_s16le -ar 8000
make s24.wav -c:a pcm_s24le -ar 8000
make f32.wav -c:a pcm_f32le -ar 8000
make f64.wav -c:a pcm_f64le -ar 4000
make alaw.wav -c:a pcm_alaw -ar 8000
make mulaw.wav -c:a pcm_mulaw -ar 8000
make six.wav -ac 6 -ar 4000
make adpcm.wav -c:a adpcm_ms -ar 8000
make large.wav -rf64 always -ar 8000
make sony.w64 -ar 8000
make plain.aiff -ar 8000
make plain.caf -ar 8000
make alac.caf -c:a alac
make plain.au -ar 8000
make s16.flac -ac 2
make s24.flac -c:a flac -sample_fmt s32
make cbr.mp3 -c:a libmp3lame -b:a 32k
make vbr.mp3 -c:a libmp3lame -q:a 4 -ac 2
make bare.mp3 -c:a libmp3lame -q:a 4 -ar 44100 -write_xing 0 -id3v2_version 0
make plain.mp2 -c:a mp2 -b:a 64k
make plain.aac -c:a aac -b:a 48k -ar 32000
make vorbis.ogg -c:a libvorbis -q:a 1
make flac.ogg -c:a flac
make speex.ogg -c:a libspeex
make mono.opus -c:a libopus -b:a 24k
make stereo.opus -c:a libopus -b:a 48k -ac 2
cat vorbis.ogg mono.opus vorbis.ogg > chain.ogg
make aac.m4a -c:a aac -b:a 48k -ar 32000
make first.m4a -c:a aac -b:a 48k -ar 32000 -movflags +faststart
make alac.m4a -c:a alac
make flac.mp4 -c:a flac -strict -2
make pieces.mp4 -c:a aac -b:a 48k -ar 32000 -movflags +frag_keyframe+empty_moov
make opus.mp4 -c:a libopus -b:a 24k
make pcm.mov -c:a pcm_s16be -ar 8000
make vorbis.mka -c:a libvorbis -q:a 1
make aac.mka -c:a aac -b:a 48k -ar 32000
make flac.mka -c:a flac
make pcm.mka -c:a pcm_s16le -ar 8000
make opus.webm -c:a libopus -b:a 24k
make voice.wma -c:a wmav2 -b:a 32k
make plain.ac3 -c:a ac3 -ar 32000 -b:a 64k
film film.webm -c:v libvpx -deadline realtime -c:a libvorbis -q:a 1
film film.mkv -c:v mpeg4 -c:a aac -b:a 48k -ar 32000
film film.mp4 -c:v mpeg4 -c:a aac -b:a 48k -ar 32000
film film.avi -c:v mpeg4 -c:a libmp3lame -b:a 32k
film film.wmv -c:v wmv2 -c:a wmav2 -b:a 32k
film film.flv -c:v flv -c:a libmp3lame -ar 22050 -b:a 32k
film film.mpg -c:v mpeg1video -r 25 -c:a mp2 -b:a 64k
film film.ts -c:v mpeg2video -r 25 -c:a mp2 -b:a 64k
