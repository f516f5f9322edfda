//! The first key: made once, printed once, kept in a file that only its owner can read.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use steno_shared::account::UNLIMITED_TIER;
use steno_shared::key::ApiKey;
use steno_shared::store::{NewKey, Owner, Store};

/// Makes the first key, which has no limits, unless there is one.
pub(super) async fn make_first(store: &Store, file: &Path) -> anyhow::Result<Option<ApiKey>> {
    if store.has_keys().await? {
        return Ok(None);
    }
    let key = ApiKey::random();
    // The file first: a key that is in the database alone would be lost. Written beside and renamed, so that a
    // file from an older folder neither lends its mode nor is left half written.
    let part = file.with_extension("part");
    let _ = std::fs::remove_file(&part);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(&part);
    let mut out = opened.with_context(|| format!("cannot write {}", part.display()))?;
    writeln!(out, "{}", key.reveal())?;
    out.sync_all()?;
    std::fs::rename(&part, file).with_context(|| format!("cannot write {}", file.display()))?;
    let new = NewKey { label: "first key".into(), owner: Owner::New(UNLIMITED_TIER.into()), admin: false };
    store.add_key(&key, &new).await?;
    Ok(Some(key))
}
