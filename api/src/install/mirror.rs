//! Another server than the catalogue's.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

/// A server, or a folder of one, that has what the catalogue's servers have under the same paths.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mirror(Url);

/// Without the password that the address may hold.
impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({})", shown(&self.0))
    }
}

impl FromStr for Mirror {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = "not an address such as https://mirror.example.org/models";
        let url = Url::parse(text.trim()).map_err(|_| invalid)?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if is_web && url.query().is_none() && url.fragment().is_none() { Ok(Self(url)) } else { Err(invalid) }
    }
}

impl Mirror {
    /// Where the mirror has what this address names.
    pub(super) fn of(&self, url: &Url) -> Url {
        let mut mirrored = self.0.clone();
        mirrored.set_path(&format!("{}{}", self.0.path().trim_end_matches('/'), url.path()));
        mirrored.set_query(url.query());
        mirrored
    }
}

/// An address without what is nobody's business: a password, a token.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // They fail for addresses without a host, of which none is here.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_has_the_same_paths_below_its_own() {
        let url = Url::parse("https://hub.example.org/a/b/resolve/main/x.bin").unwrap();
        for (mirror, mirrored) in [
            ("http://m", "http://m/a/b/resolve/main/x.bin"),
            ("https://m:8443/deep/er/", "https://m:8443/deep/er/a/b/resolve/main/x.bin"),
        ] {
            assert_eq!(mirror.parse::<Mirror>().unwrap().of(&url).as_str(), mirrored);
        }
        let secret: Mirror = "https://me:secret@m/x".parse().unwrap();
        assert!(secret.of(&url).as_str().contains("secret"));
        assert_eq!(shown(&secret.of(&url)), "https://m/x/a/b/resolve/main/x.bin");
        assert!(!format!("{secret:?}").contains("secret"));
        for text in ["", "m", "ftp://m", "https://m/?x", "file:///m", "http://m/#x"] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
