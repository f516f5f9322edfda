//! What people send that is no media, by name, so that the answer can say what it is.

/// The first bytes of other kinds of file.
const STARTS: &[(&[u8], &str)] = &[
    (b"%PDF", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"MThd", "a MIDI file, which holds notes and no sound"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\0asm", "a program"),
    (b"SQLite format 3\0", "a database"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
    (b"\0\0\x01\xb3", "a bare video stream without audio"),
];

/// The first characters of kinds of text.
const TEXTS: &[(&str, &str)] = &[
    ("#EXTM3U", "a playlist"),
    ("ffconcat", "a playlist"),
    ("[playlist]", "a playlist"),
    ("WEBVTT", "a subtitle file"),
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<svg", "an SVG picture"),
    ("<?xml", "an XML document"),
];

/// The name of what begins like this, with its article, if it is known and no media.
pub(super) fn name(head: &[u8]) -> Option<&'static str> {
    if let Some((_, name)) = STARTS.iter().find(|(start, _)| head.starts_with(start)) {
        return Some(name);
    }
    let tag = |at: usize| head.get(at..at + 4).unwrap_or_default();
    match (tag(0), tag(4), tag(8)) {
        (b"RIFF", _, b"WEBP") => return Some("a WebP picture"),
        (_, b"ftyp", brand) => return picture_brand(brand),
        _ => {}
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("a tar archive");
    }
    text(head)
}

/// The picture that an MP4-like file of this brand is.
pub(super) fn picture_brand(brand: &[u8]) -> Option<&'static str> {
    match brand {
        b"avif" | b"avis" => Some("an AVIF picture"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => Some("a HEIF picture"),
        b"crx " => Some("a raw picture"),
        _ => None,
    }
}

/// Text of any kind. It never reaches a decoder: ffmpeg reads playlists and scripts that name other files.
fn text(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return is_wide_text(head).then_some("a text file");
    }
    let start = &head[..head.len().min(4096)];
    let start = match std::str::from_utf8(start) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let printable = |letter: char| !letter.is_control() || "\t\n\r\x0c\x1b".contains(letter);
    if !start.chars().all(printable) {
        return None;
    }
    let trimmed = start.trim_start_matches('\u{feff}').trim_start();
    let begins = |prefix: &str| {
        trimmed.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
    };
    Some(TEXTS.iter().find(|(prefix, _)| begins(prefix)).map_or("a text file", |(_, name)| name))
}

/// UTF-16 behind its mark; 0xfffe and 0xfeff could begin an MPEG frame too.
fn is_wide_text(head: &[u8]) -> bool {
    let little = head[0] == 0xff;
    let units = head[2..head.len().min(1024)].chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    let printable = |letter: char| !letter.is_control() || "\t\n\r".contains(letter);
    char::decode_utf16(units).filter_map(Result::ok).all(printable)
}
