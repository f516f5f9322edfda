//! MP4: the edit list, which symphonia does not look at (pdeljanov/Symphonia#544): it says how much of the track's
//! start is the encoder's delay, and where the audio ends within the last packet.
//!
//! Only what is simple is decoded natively: audio alone, in one piece, from a codec that symphonia gets right.

use std::io::{Read, Seek, SeekFrom};

use super::plan::{Length, Plan, Refusal, Time, decline, nth};

/// The index of ten hours of AAC takes 7 MB.
const LARGEST_INDEX: u64 = 64 << 20;
/// symphonia goes through the whole table of durations for each packet.
const MOST_DURATIONS: usize = 1000;
const MOST_TOP_BOXES: usize = 1000;

/// What is told of a file, even if it is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) length: Length,
    /// How much later than the pictures the audio begins.
    pub(super) delay: Time,
}

/// Looks at the index of an MP4 file for the audio track of this number.
pub(super) fn plan(
    file: &mut (impl Read + Seek),
    number: u16,
    tell: impl FnOnce(Told),
) -> Result<Plan, Refusal> {
    let index = read_index(file)?;
    let tracks: Vec<Track> =
        Boxes(&index).filter(|(kind, _)| kind == b"trak").map(|(_, body)| track(body)).collect();
    let has_video = tracks.iter().any(|track| &track.handler == b"vide");
    let audio = match nth(tracks.iter().filter(|track| &track.handler == b"soun"), number) {
        Err(Refusal::NoAudio) if !has_video => return decline("neither audio nor video"),
        found => found?,
    };
    let movie = Movie {
        scale: child(&index, b"mvhd").map_or(0, |body| header_time(body).per_second),
        is_fragmented: child(&index, b"mvex").is_some(),
        has_gapless_tag: index.windows(8).any(|window| window == b"iTunSMPB"),
    };
    tell(Told { length: audio.length(&movie), delay: audio.delay(&movie) });
    // ffmpeg is the quicker one at finding the audio between the pictures.
    if has_video {
        return decline("a video");
    }
    // Symphonia reads `in24` in the wrong order of bytes; `in32` and `fl32` are as rare.
    if !matches!(&audio.codec, b"mp4a" | b"alac" | b"fLaC" | b"sowt" | b"twos") {
        return decline(format!("MP4 codec {}", audio.codec.escape_ascii()));
    }
    if audio.durations > MOST_DURATIONS {
        return decline("packets of many lengths");
    }
    audio.plan(&movie)
}

/// The content of the `moov` box.
fn read_index(file: &mut (impl Read + Seek)) -> Result<Vec<u8>, Refusal> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    for _ in 0..MOST_TOP_BOXES {
        if length.saturating_sub(at) < 8 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 16];
        file.read_exact(&mut head[..8])?;
        let short = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let (size, head_size) = match short {
            0 => (length - at, 8),
            1 => {
                file.read_exact(&mut head[8..])?;
                (u64::from_be_bytes(head[8..].try_into().unwrap_or_default()), 16)
            }
            _ => (u64::from(short), 8),
        };
        if size < head_size {
            return decline("a box that is shorter than its head");
        }
        if &head[4..8] == b"moov" {
            let body = size - head_size;
            if body > LARGEST_INDEX || body > length - at {
                return decline("the index is cut off, or of a size that none has");
            }
            let mut index = vec![0; body as usize];
            file.read_exact(&mut index)?;
            return Ok(index);
        }
        at = at.saturating_add(size);
    }
    decline("no index")
}

/// The boxes within a box: kind and content. It ends at the first that does not fit.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let size = number(self.0, 0, 4)? as usize;
        let kind = self.0.get(4..8)?.try_into().ok()?;
        let body = self.0.get(8..size)?;
        self.0 = &self.0[size..];
        Some((kind, body))
    }
}

fn child<'a>(body: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(body).find(|(found, _)| found == kind).map(|(_, body)| body)
}

fn descendant<'a>(body: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(body, |body, kind| child(body, kind))
}

/// A big-endian number.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    Some(bytes.get(at..at + size)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// The time scale and the duration of an `mvhd` or `mdhd` box.
fn header_time(body: &[u8]) -> Time {
    let (scale, duration, size) = if body.first() == Some(&1) { (20, 24, 8) } else { (12, 16, 4) };
    let per_second = number(body, scale, 4).unwrap_or(0) as u32;
    Time { ticks: number(body, duration, size).unwrap_or(0), per_second }
}

/// One entry of an edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edit {
    /// In the movie's time scale; 0 = to the end.
    span: u64,
    /// In the track's time scale; -1 = nothing is heard.
    from: i64,
    is_normal_speed: bool,
}

/// What is said about all tracks.
struct Movie {
    /// Of the spans in edit lists.
    scale: u32,
    is_fragmented: bool,
    has_gapless_tag: bool,
}

#[derive(Debug)]
struct Track {
    handler: [u8; 4],
    codec: [u8; 4],
    scale: u32,
    edits: Vec<Edit>,
    /// Entries in the table of durations.
    durations: usize,
    /// The sum of them.
    ticks: u64,
}

fn track(body: &[u8]) -> Track {
    let fourth = |bytes: Option<&[u8]>, at: usize| -> [u8; 4] {
        bytes.and_then(|bytes| bytes.get(at..at + 4)?.try_into().ok()).unwrap_or_default()
    };
    let media = child(body, b"mdia").unwrap_or_default();
    let table = descendant(media, &[b"minf", b"stbl"]).unwrap_or_default();
    let durations = child(table, b"stts").and_then(|stts| stts.get(8..)).unwrap_or_default().chunks_exact(8);
    let span = |entry: &[u8]| {
        let (count, delta) = (number(entry, 0, 4).unwrap_or(0), number(entry, 4, 4).unwrap_or(0));
        count.saturating_mul(delta)
    };
    Track {
        handler: fourth(child(media, b"hdlr"), 8),
        codec: fourth(child(table, b"stsd"), 12),
        scale: child(media, b"mdhd").map_or(0, |body| header_time(body).per_second),
        edits: descendant(body, &[b"edts", b"elst"]).map(edits).unwrap_or_default(),
        durations: durations.len(),
        ticks: durations.map(span).fold(0, u64::saturating_add),
    }
}

fn edits(body: &[u8]) -> Vec<Edit> {
    let is_long = body.first() == Some(&1);
    let size = if is_long { 20 } else { 12 };
    let entries = body.get(8..).unwrap_or_default().chunks_exact(size);
    let edit = |entry: &[u8]| {
        let wide = size / 2 - 2;
        let from = number(entry, wide, wide).unwrap_or(0);
        Edit {
            span: number(entry, 0, wide).unwrap_or(0),
            from: if is_long { from.cast_signed() } else { i64::from((from as u32).cast_signed()) },
            is_normal_speed: number(entry, size - 4, 4) == Some(0x0001_0000),
        }
    };
    entries.take(16).map(edit).collect()
}

impl Track {
    /// How much of it is heard.
    fn length(&self, movie: &Movie) -> Length {
        let span = self.edits.iter().map(|edit| edit.span).fold(0, u64::saturating_add);
        match (span, movie.scale, self.scale) {
            _ if movie.is_fragmented => Length::Unknown,
            (0, _, 0) | (1.., 0, _) => Length::Unknown,
            (0, _, per_second) => Length::Known(Time { ticks: self.ticks, per_second }),
            (ticks, per_second, _) => Length::Known(Time { ticks, per_second }),
        }
    }

    /// The first edits may be empty: nothing is heard then.
    fn delay(&self, movie: &Movie) -> Time {
        let empty = self.edits.iter().take_while(|edit| edit.from == -1).map(|edit| edit.span);
        Time { ticks: empty.fold(0, u64::saturating_add), per_second: movie.scale.max(1) }
    }

    fn plan(&self, movie: &Movie) -> Result<Plan, Refusal> {
        if self.scale == 0 {
            return decline("a track without a time scale");
        }
        let (skip, span) = match self.edits[..] {
            [] if movie.has_gapless_tag => return decline("iTunes' own note of the encoder's delay"),
            [] => (0, 0),
            [Edit { span, from: from @ 0.., is_normal_speed: true }] => (from.unsigned_abs(), span),
            _ => return decline("an edit list that does more than cut off the ends"),
        };
        let keep =
            Some(Time { ticks: span, per_second: movie.scale }).filter(|_| span > 0 && movie.scale > 0);
        Ok(Plan {
            skip: Time { ticks: skip, per_second: self.scale },
            keep,
            length: self.length(movie),
            is_endless: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), &body].concat()
    }

    fn words(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// A file with one track, whose edit list has these entries.
    fn file(handler: &[u8; 4], codec: &[u8; 4], edits: &[[u32; 3]]) -> Cursor<Vec<u8>> {
        let edits =
            [words(&[0, edits.len() as u32]), edits.iter().flat_map(|edit| words(edit)).collect()].concat();
        let description = boxed(b"stsd", &[&words(&[0, 1]), &boxed(codec, &[&[0; 28]])]);
        let table = boxed(b"stbl", &[&description, &boxed(b"stts", &[&words(&[0, 2, 10, 1024, 1, 512])])]);
        let media = [
            boxed(b"mdhd", &[&words(&[0, 0, 0, 48_000, 10_752, 0])]),
            boxed(b"hdlr", &[&words(&[0, 0]), handler]),
            boxed(b"minf", &[&table]),
        ]
        .concat();
        let track =
            boxed(b"trak", &[&boxed(b"edts", &[&boxed(b"elst", &[&edits])]), &boxed(b"mdia", &[&media])]);
        let header = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 224])]);
        let index = boxed(b"moov", &[&header, &track]);
        Cursor::new([boxed(b"ftyp", &[b"M4A \0\0\0\0"]), boxed(b"mdat", &[&[7; 100]]), index].concat())
    }

    fn look(file: &mut Cursor<Vec<u8>>) -> Result<Plan, Refusal> {
        plan(file, 0, |_| {})
    }

    const NORMAL: u32 = 0x0001_0000;

    #[test]
    fn a_simple_edit_list_says_what_to_cut_off() {
        let plan = look(&mut file(b"soun", b"mp4a", &[[200, 1024, NORMAL]])).unwrap();
        assert_eq!(plan.skip, Time { ticks: 1024, per_second: 48_000 });
        assert_eq!(plan.keep, Some(Time { ticks: 200, per_second: 1000 }));
        assert_eq!(plan.length, Length::Known(Time { ticks: 200, per_second: 1000 }));
    }

    #[test]
    fn without_one_the_whole_track_is_heard() {
        for edits in [&[][..], &[[0, 0, NORMAL]]] {
            let plan = look(&mut file(b"soun", b"alac", edits)).unwrap();
            assert_eq!((plan.skip.ticks, plan.keep), (0, None));
            assert_eq!(plan.length, Length::Known(Time { ticks: 10_752, per_second: 48_000 }));
        }
    }

    #[test]
    fn what_is_not_simple_is_left_to_ffmpeg() {
        let empty_first = [[500, u32::MAX, NORMAL], [200, 1024, NORMAL]];
        for edits in [&empty_first[..], &[[200, 1024, 2 * NORMAL]], &[[1, 0, NORMAL], [1, 9, NORMAL]]] {
            let refused = look(&mut file(b"soun", b"mp4a", edits));
            assert!(matches!(refused, Err(Refusal::Declined(_))), "{edits:?}");
        }
        assert!(matches!(look(&mut file(b"soun", b"ac-3", &[])), Err(Refusal::Declined(_))));
        assert!(matches!(look(&mut file(b"vide", b"avc1", &[])), Err(Refusal::NoAudio)));
    }

    #[test]
    fn length_and_delay_are_told_even_of_what_is_declined() {
        let mut told = None;
        let edits = [[500, u32::MAX, NORMAL], [200, 1024, NORMAL]];
        assert!(plan(&mut file(b"soun", b"ac-3", &edits), 1, |found| told = Some(found)).is_err());
        let time = |ticks| Time { ticks, per_second: 1000 };
        assert_eq!(told, Some(Told { length: Length::Known(time(700)), delay: time(500) }));
    }

    #[test]
    fn a_track_that_is_not_there_is_no_other() {
        let refused = plan(&mut file(b"soun", b"mp4a", &[]), 2, |_| {});
        assert!(matches!(refused, Err(Refusal::NoSuchTrack(1))), "{refused:?}");
    }

    #[test]
    fn hostile_boxes_end_the_search() {
        let mut cut = file(b"soun", b"mp4a", &[]).into_inner();
        cut.truncate(200);
        let far =
            [boxed(b"ftyp", &[b"M4A "]), b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()].concat();
        let tiny = [boxed(b"ftyp", &[b"M4A "]), b"\0\0\0\x02moov".to_vec()].concat();
        let huge = b"\xff\xff\xff\xffmoov".to_vec();
        for bytes in [cut, far, tiny, huge, Vec::new()] {
            assert!(look(&mut Cursor::new(bytes)).is_err());
        }
    }
}
