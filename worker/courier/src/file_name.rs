//! What a fetched file is called. For naming downloads only, never a path.

use percent_encoding::percent_decode_str;
use steno_shared::outside::OutsideUrl;

/// The longest name, in characters.
const MAX_LENGTH: usize = 200;

/// The name that the server gives the file, or else the last part of the URL's path.
pub(crate) fn of(disposition: Option<&str>, url: &OutsideUrl) -> Option<String> {
    let given = disposition.and_then(of_disposition);
    let given = given.as_deref().and_then(clean);
    given.or_else(|| clean(&percent_decode_str(url.last_segment()?).decode_utf8_lossy()))
}

/// The file name of a `Content-Disposition` (RFC 6266): the extended form before the plain one.
fn of_disposition(text: &str) -> Option<String> {
    let value = |name: &str| {
        parameters(text).find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    if let Some(extended) = value("filename*") {
        let mut parts = extended.splitn(3, '\'');
        if let (Some(charset), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next())
            && charset.eq_ignore_ascii_case("utf-8")
        {
            return Some(percent_decode_str(encoded).decode_utf8_lossy().into_owned());
        }
    }
    value("filename")
}

/// The parameters after the type. A value in quotation marks may hold semicolons and escapes.
fn parameters(text: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = text.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let mut value = String::new();
        let mut quoted = false;
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next() {
                None => break after.len(),
                Some((0, '"')) => quoted = true,
                Some((_, '"')) if quoted => quoted = false,
                Some((_, '\\')) if quoted => value.extend(letters.next().map(|(_, letter)| letter)),
                Some((at, ';')) if !quoted => break at + 1,
                Some((_, letter)) => value.push(letter),
            }
        };
        rest = &after[end..];
        Some((name.trim(), value.trim().to_owned()))
    })
}

/// The last part of what may be a path, without what terminals and file systems choke on.
fn clean(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let letters = last.chars().filter(|letter| !letter.is_control());
    let cleaned: String = letters.take(MAX_LENGTH).collect();
    let cleaned = cleaned.trim();
    let empty = cleaned.chars().all(|letter| letter == '.');
    (!empty).then(|| cleaned.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_names_the_file_or_else_its_path() {
        let url: OutsideUrl = "https://a.example/x/Talk%20%C3%A4.mp3?name=z.wav".parse().unwrap();
        for (disposition, expected) in [
            (None, "Talk ä.mp3"),
            (Some("attachment"), "Talk ä.mp3"),
            (Some("attachment; filename="), "Talk ä.mp3"),
            (Some("attachment; filename=a.wav"), "a.wav"),
            (Some("attachment; FileName = \"a; \\\"b\\\".wav\"; size=3"), "a; \"b\".wav"),
            (Some("inline; filename=\"x.wav\"; filename*=UTF-8''%e2%82%ac.wav"), "€.wav"),
            (Some("inline; filename*=latin1'en'%A3.wav; filename=x.wav"), "x.wav"),
            (Some("attachment; filename=\"../../etc/passwd\""), "passwd"),
            (Some("attachment; filename=\"C:\\\\Users\\\\a.wav\""), "a.wav"),
            (Some("attachment; filename=\"..\""), "Talk ä.mp3"),
            (Some("attachment; filename=\"a\u{1b}[31m.wav\""), "a[31m.wav"),
            (Some("attachment; filename=\"unclosed"), "unclosed"),
            (Some("; ; = ; ="), "Talk ä.mp3"),
        ] {
            assert_eq!(of(disposition, &url).as_deref(), Some(expected), "{disposition:?}");
        }
        let long = format!("attachment; filename={}", "ä".repeat(1000));
        assert_eq!(of(Some(&long), &url).unwrap().chars().count(), MAX_LENGTH);
        assert_eq!(of(None, &"https://a.example/x/".parse().unwrap()), None);
        assert_eq!(of(None, &"https://a.example/%2e%2e%2F".parse().unwrap()), None);
    }
}
