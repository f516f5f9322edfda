//! The key of a client that cannot set headers: in a subprotocol, or in the query.

use poem::http::HeaderMap;
use poem::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::error::{ApiError, Cause};

/// The parameters of the query that hold a key.
const PARAMETERS: [&str; 3] = ["token", "api_key", "access_token"];
/// How the realtime API of OpenAI has browsers send a key.
const REALTIME: (&str, &str) = ("realtime", "openai-insecure-api-key.");

/// What a client sent besides its `Authorization` header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The key, if there is one.
    pub(super) key: Option<String>,
    /// The subprotocol that is spoken, if the client named one that is known here.
    pub(super) protocol: Option<&'static str>,
}

impl Credentials {
    /// Of a request with these headers and these parameters.
    ///
    /// # Errors
    /// If a subprotocol announces a key and none follows.
    pub(super) fn of(headers: &HeaderMap, query: &[(String, String)]) -> Result<Self, ApiError> {
        let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let offered: Vec<&str> = values
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        if let Some(found) = Self::of_protocols(&offered)? {
            return Ok(found);
        }
        let named = |name: &str| query.iter().rev().find(|(other, value)| other == name && !value.is_empty());
        let key = PARAMETERS.into_iter().find_map(named).map(|(_, value)| value.clone());
        Ok(Self { key, protocol: None })
    }

    fn of_protocols(offered: &[&str]) -> Result<Option<Self>, ApiError> {
        let (realtime, prefix) = REALTIME;
        if offered.contains(&realtime)
            && let Some(key) = offered.iter().find_map(|name| name.strip_prefix(prefix))
        {
            return Ok(Some(Self { key: Some(key.to_owned()), protocol: Some(realtime) }));
        }
        for protocol in ["bearer", "token"] {
            let Some(at) = offered.iter().position(|name| name.eq_ignore_ascii_case(protocol)) else {
                continue;
            };
            let Some(key) = offered.get(at + 1) else {
                let message =
                    format!("the subprotocol {protocol:?} must be followed by an API key: `{protocol}, KEY`");
                return Err(ApiError::new(Cause::InvalidKey, message));
            };
            return Ok(Some(Self { key: Some((*key).to_owned()), protocol: Some(protocol) }));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        protocols: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(Option<String>, Option<&'static str>), ()> {
        let mut headers = HeaderMap::new();
        for protocol in protocols {
            headers.append(SEC_WEBSOCKET_PROTOCOL, protocol.parse().unwrap());
        }
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Credentials::of(&headers, &query).map(|found| (found.key, found.protocol)).map_err(|_| ())
    }

    #[test]
    fn keys_are_found_wherever_clients_put_them() {
        let key = |protocol| Ok((Some("KEY".to_owned()), protocol));
        assert_eq!(found(&["bearer, KEY"], &[]), key(Some("bearer")));
        assert_eq!(found(&["Bearer", "KEY"], &[]), key(Some("bearer")));
        assert_eq!(found(&["token,KEY"], &[("token", "other")]), key(Some("token")));
        let realtime = "realtime, openai-insecure-api-key.KEY, openai-beta.realtime-v1";
        assert_eq!(found(&[realtime], &[]), key(Some("realtime")));
        for name in PARAMETERS {
            assert_eq!(found(&[], &[(name, "KEY")]), key(None));
        }
        assert_eq!(found(&[], &[("token", "a"), ("token", "KEY")]), key(None), "the last wins");
    }

    #[test]
    fn none_is_none_and_an_announced_one_must_follow() {
        assert_eq!(found(&[], &[]), Ok((None, None)));
        assert_eq!(found(&["chat, soap"], &[("token", "")]), Ok((None, None)));
        assert_eq!(found(&["bearer"], &[]), Err(()));
        assert_eq!(found(&["token, "], &[]), Err(()));
    }
}
