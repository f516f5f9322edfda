//! The containers that are known, and their first bytes.

/// How media are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Container {
    /// RIFF WAVE.
    Wav,
    /// RIFF WAVE with 64-bit sizes, or big-endian.
    WavLarge,
    /// Sony Wave64.
    Wave64,
    /// AIFF and AIFF-C.
    Aiff,
    /// Apple's Core Audio Format.
    Caf,
    /// Bare FLAC.
    Flac,
    /// Bare MPEG audio: MP3, MP2.
    MpegAudio,
    /// Bare AAC with ADTS headers.
    Adts,
    /// OGG whose first stream is Vorbis, FLAC, or Opus with at most two channels.
    OggPlain,
    /// OGG with anything else.
    OggOther,
    /// MP4, M4A, MOV, 3GP.
    Mp4,
    /// Matroska and WebM.
    Matroska,
    /// AVI.
    Avi,
    /// ASF: WMA, WMV.
    Asf,
    /// MPEG program stream: MPG, VOB.
    MpegProgram,
    /// MPEG transport stream.
    MpegTransport,
    /// Flash video.
    Flv,
    /// Sun audio.
    Au,
    /// Adaptive multi-rate, of old mobile phones.
    Amr,
    /// Bare AC-3.
    Ac3,
}

impl Container {
    /// The name that people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav | Self::WavLarge => "WAV",
            Self::Wave64 => "Wave64",
            Self::Aiff => "AIFF",
            Self::Caf => "CAF",
            Self::Flac => "FLAC",
            Self::MpegAudio => "MP3",
            Self::Adts => "AAC",
            Self::OggPlain | Self::OggOther => "OGG",
            Self::Mp4 => "MP4",
            Self::Matroska => "Matroska or WebM",
            Self::Avi => "AVI",
            Self::Asf => "Windows Media",
            Self::MpegProgram => "MPEG",
            Self::MpegTransport => "MPEG transport stream",
            Self::Flv => "Flash video",
            Self::Au => "AU",
            Self::Amr => "AMR",
            Self::Ac3 => "AC-3",
        }
    }

    /// Whether symphonia decodes it exactly, as a rule. The child looks closer.
    #[must_use]
    pub fn is_native(self) -> bool {
        matches!(
            self,
            Self::Wav
                | Self::Aiff
                | Self::Caf
                | Self::Flac
                | Self::MpegAudio
                | Self::Adts
                | Self::OggPlain
                | Self::Mp4
                | Self::Matroska
        )
    }

    /// What ffmpeg may take it for: a list for its `-format_whitelist`.
    #[must_use]
    pub fn ffmpeg_formats(self) -> &'static str {
        match self {
            Self::Wav | Self::WavLarge => "wav",
            Self::Wave64 => "w64",
            Self::Aiff => "aiff",
            Self::Caf => "caf",
            Self::Flac => "flac",
            Self::MpegAudio => "mp3",
            Self::Adts => "aac",
            Self::OggPlain | Self::OggOther => "ogg",
            Self::Mp4 => "mov",
            Self::Matroska => "matroska",
            Self::Avi => "avi",
            Self::Asf => "asf",
            Self::MpegProgram => "mpeg",
            Self::MpegTransport => "mpegts",
            Self::Flv => "flv",
            Self::Au => "au",
            Self::Amr => "amr",
            Self::Ac3 => "ac3,eac3",
        }
    }
}

/// The container whose magic bytes these are.
pub(super) fn by_magic(head: &[u8]) -> Option<Container> {
    let tag = |at: usize| head.get(at..at + 4).unwrap_or_default();
    match (tag(0), tag(8)) {
        (b"RIFF", b"WAVE") => return Some(Container::Wav),
        (b"RF64" | b"RIFX", b"WAVE") => return Some(Container::WavLarge),
        (b"RIFF", b"AVI ") => return Some(Container::Avi),
        (b"FORM", b"AIFF" | b"AIFC") => return Some(Container::Aiff),
        (b"OggS", _) => return Some(ogg(head)),
        (b"fLaC", _) => return Some(Container::Flac),
        (b"caff", _) => return Some(Container::Caf),
        (b".snd", _) => return Some(Container::Au),
        _ => {}
    }
    const STARTS: &[(&[u8], Container)] = &[
        (b"riff\x2e\x91\xcf\x11", Container::Wave64),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container::Asf),
        (b"\0\0\x01\xba", Container::MpegProgram),
        (b"FLV\x01", Container::Flv),
        (b"#!AMR", Container::Amr),
        (b"\x0b\x77", Container::Ac3),
    ];
    if let Some((_, container)) = STARTS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(*container);
    }
    if head.starts_with(b"\x1a\x45\xdf\xa3") {
        let names: [&[u8]; 2] = [b"webm", b"matroska"];
        let start = &head[..head.len().min(128)];
        let known = names.iter().any(|name| start.windows(name.len()).any(|window| window == *name));
        return known.then_some(Container::Matroska);
    }
    if is_mp4(head, tag(4), tag(8)) {
        return Some(Container::Mp4);
    }
    is_transport_stream(head).then_some(Container::MpegTransport)
}

/// How long the file is by its own account, where that is easy to find.
pub(super) fn told_length(container: Container, head: &[u8]) -> Option<u64> {
    /// The file properties object of ASF.
    const PROPERTIES: &[u8] = b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\0\xc0\x0c\x20\x53\x65";
    match container {
        Container::Avi => {
            let size = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
            // Writers that cannot go back leave a size that no upload has.
            (size < 0x7fff_0000).then_some(u64::from(size) + 8)
        }
        Container::Asf => {
            let at = head.windows(PROPERTIES.len()).position(|window| window == PROPERTIES)?;
            Some(u64::from_le_bytes(head.get(at + 40..at + 48)?.try_into().ok()?))
        }
        _ => None,
    }
}

/// MP4 and its ancestor of Apple begin with a box; pictures have boxes too, and say so in their brand.
fn is_mp4(head: &[u8], kind: &[u8], brand: &[u8]) -> bool {
    // The length of the box comes first. Text that says "the wide world" is none.
    let is_small = head.first() == Some(&0);
    match kind {
        b"ftyp" => is_small && super::foreign::picture_brand(brand).is_none(),
        b"moov" | b"free" | b"skip" | b"wide" | b"pnot" | b"styp" | b"moof" | b"sidx" => is_small,
        b"mdat" => true,
        _ => false,
    }
}

/// Packets of 188 bytes (204 with their error correction), each perhaps behind four bytes of time.
fn is_transport_stream(head: &[u8]) -> bool {
    let synced = |first: usize, size: usize| (0..4).all(|nr| head.get(first + nr * size) == Some(&0x47));
    synced(0, 188) || synced(4, 192) || synced(0, 204)
}

/// Looks into the first page.
fn ogg(head: &[u8]) -> Container {
    let segments = usize::from(head.get(26).copied().unwrap_or(0));
    let packet = head.get(27 + segments..).unwrap_or_default();
    let plain = match packet.strip_prefix(b"OpusHead".as_slice()) {
        Some([_version, channels, ..]) => (1..=2).contains(channels),
        _ => packet.starts_with(b"\x01vorbis") || packet.starts_with(b"\x7fFLAC"),
    };
    if plain { Container::OggPlain } else { Container::OggOther }
}
