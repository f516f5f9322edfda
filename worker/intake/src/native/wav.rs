//! WAV: the header, of which symphonia believes too much and refuses too much.

use std::io::{Read, Seek, SeekFrom};

use super::plan::{Length, Plan, Refusal, Time, decline};

/// Writers that cannot go back leave a size such as 0x7fffffff or 0xffffffff. No upload is that large.
const STREAMED: u32 = 0x7fff_0000;
/// The chunks before the sound are few.
const MOST_CHUNKS: usize = 64;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;

/// Looks at the header of a WAV file.
pub(super) fn plan(file: &mut (impl Read + Seek)) -> Result<Plan, Refusal> {
    file.seek(SeekFrom::Start(12))?;
    let mut format = None;
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let (name, size) = (&head[..4], u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
        match name {
            b"fmt " => {
                let mut body = [0; 16];
                file.read_exact(&mut body)?;
                format = Some(Format::read(&body)?);
                skip(file, size.saturating_sub(16), size)?;
            }
            b"data" => {
                let Some(format) = format else { return decline("sound before its format") };
                return format.plan(size);
            }
            _ => skip(file, size, size)?,
        }
    }
    decline("no sound among the first chunks")
}

/// Chunks begin at even places.
fn skip(file: &mut impl Seek, count: u32, size: u32) -> Result<(), Refusal> {
    file.seek(SeekFrom::Current(i64::from(count) + i64::from(size & 1)))?;
    Ok(())
}

struct Format {
    rate: u32,
    frame_bytes: u16,
}

impl Format {
    fn read(body: &[u8; 16]) -> Result<Self, Refusal> {
        let short = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        let (tag, channels, frame_bytes, bits) = (short(0), short(2), short(12), short(14));
        let rate = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
        if !matches!(tag, PCM | FLOAT | A_LAW | MU_LAW | EXTENSIBLE) {
            return decline(format!("WAV codec {tag:#x}"));
        }
        // symphonia does not look at the size of a frame, and takes bits for what they seem.
        if u32::from(channels) * u32::from(bits) != u32::from(frame_bytes) * 8 || frame_bytes == 0 {
            return decline(format!("{channels} channels of {bits} bits in {frame_bytes} bytes"));
        }
        Ok(Self { rate, frame_bytes })
    }

    fn plan(&self, size: u32) -> Result<Plan, Refusal> {
        let length = match size {
            0 => return decline("a streamed file that does not tell its length"),
            STREAMED.. => Length::Unknown,
            size => Length::Known(Time {
                ticks: u64::from(size / u32::from(self.frame_bytes)),
                per_second: self.rate,
            }),
        };
        Ok(Plan { length, is_endless: length == Length::Unknown, ..Plan::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn wav(format: [u16; 4], data_size: u32) -> Cursor<Vec<u8>> {
        let [tag, channels, frame_bytes, bits] = format;
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(8000_u32.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(frame_bytes.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend(data_size.to_le_bytes());
        Cursor::new(bytes)
    }

    #[test]
    fn the_length_is_believed_unless_it_marks_a_stream() {
        let length = |size| plan(&mut wav([PCM, 2, 4, 16], size)).unwrap().length;
        assert_eq!(length(4000), Length::Known(Time { ticks: 1000, per_second: 8000 }));
        for size in [0x7fff_0000, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff] {
            assert_eq!(length(size), Length::Unknown);
        }
    }

    #[test]
    fn headers_that_symphonia_would_misread_are_declined() {
        let hostile = [
            ([PCM, 2, 4, 16], 0),
            ([PCM, 2, 3, 12], 100),
            ([PCM, 0, 0, 16], 100),
            ([PCM, 40_000, 4, 32], 100),
            ([0x11, 1, 1024, 4], 100),
        ];
        for (format, size) in hostile {
            let refused = plan(&mut wav(format, size));
            let wanted = format == [PCM, 2, 3, 12] && refused.is_ok();
            assert!(wanted || matches!(refused, Err(Refusal::Declined(_))), "{format:?} {refused:?}");
        }
        assert!(matches!(plan(&mut Cursor::new(b"RIFF\0\0\0\0WAVE".to_vec())), Err(Refusal::Read(_))));
    }
}
