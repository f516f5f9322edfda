//! `steno keys`: keys and credits, in the database itself: no server need run.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use steno_shared::account::{AccountId, Tiers};
use steno_shared::key::ApiKey;
use steno_shared::settings::{Common, DatabaseUrl};
use steno_shared::store::{KeyRecord, Store, Used};
use steno_shared::time::rfc3339;

use super::error::{CommandError, Json, Written};
use super::output;
use super::text::{clean, list, moment, table};
use crate::issue::{self, Issued, NotIssued, Wanted};
use crate::{migrate, settings};

/// What `steno keys` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Make a key, which is shown this once
    Create(Create),
    /// List the keys, without what is secret of them
    List(Place),
    /// Revoke a key: the next request with it is refused
    Revoke(Revoke),
    /// Add credits to an account's balance
    Grant(Grant),
}

/// Where the database is.
#[derive(Debug, Clone, Args)]
struct Place {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct Create {
    /// Tier of the new account: anonymous, free, paid, unlimited, or one of --tiers
    #[arg(long, value_name = "TIER", required_unless_present = "account")]
    tier: Option<String>,

    /// Account that the key is for; a new one unless set
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// What the key is called in lists
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,

    /// Let the key manage keys and accounts
    #[arg(long)]
    admin: bool,

    /// Credits to add to the account's balance
    #[arg(long, value_name = "N")]
    credits: Option<u32>,

    /// Print the key alone
    #[arg(long, conflicts_with = "json")]
    quiet: bool,

    /// JSON file of tiers, as the server has it
    #[arg(long, env = "STENO_TIERS", value_name = "FILE")]
    tiers: Option<PathBuf>,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Args)]
struct Revoke {
    /// Key's id, or the key
    id: String,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Args)]
struct Grant {
    /// Account's id
    account: String,

    /// How many
    #[arg(long, value_name = "N")]
    credits: u32,

    /// What they are for
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,

    #[command(flatten)]
    place: Place,
}

/// Does what was asked for.
///
/// # Errors
/// If the database cannot be opened, or there is no such tier, key or account.
pub(crate) async fn run(arguments: &Keys) -> Result<(), CommandError> {
    let written = Written::by(&arguments.json);
    match &arguments.action {
        Action::Create(create) => {
            let tiers = settings::read_tiers(create.tiers.as_deref()).map_err(anyhow::Error::msg)?;
            let issued = create.issue(&tiers).await?;
            if create.quiet {
                return output::print(&format!("{}\n", issued.key.reveal()));
            }
            show(&issued, written)
        }
        Action::List(place) => {
            let keys = place.open_existing().await?.keys().await.context("cannot list the keys")?;
            show_all(&keys, written)
        }
        Action::Revoke(revoke) => revoke.run(written).await,
        Action::Grant(grant) => {
            let account = AccountId::of_row(grant.account.as_str());
            let store = grant.place.open_existing().await?;
            let balance = issue::grant(&store, &account, grant.credits, &grant.note).await.map_err(said)?;
            show_balance(&account, &balance, written)
        }
    }
}

impl Place {
    /// Opens the database, which may not be there yet.
    async fn open(&self) -> anyhow::Result<Store> {
        self.common.check().map_err(anyhow::Error::msg)?;
        migrate::run(&self.common).await?;
        Store::open(&self.common.database_url()).await.context("cannot open the database")
    }

    /// Opens the database, which is there if there are keys: a slip in the folder's name makes none.
    async fn open_existing(&self) -> anyhow::Result<Store> {
        let DatabaseUrl::Sqlite(path) = self.common.database_url();
        if !path.is_file() {
            bail!("there is no database {}; --data names the server's data folder", path.display());
        }
        self.open().await
    }
}

impl Create {
    async fn issue(&self, tiers: &Tiers) -> Result<Issued, CommandError> {
        // A slip is told before a database is made.
        if let Some(tier) = &self.tier {
            issue::known_tier(tiers, tier).map_err(said)?;
        }
        let wanted = Wanted {
            tier: self.tier.clone(),
            account: self.account.as_deref().map(AccountId::of_row),
            label: self.label.clone(),
            admin: self.admin,
            credits: self.credits,
        };
        Ok(wanted.issue(&self.place.open().await?, tiers).await.map_err(said)?)
    }
}

impl Revoke {
    async fn run(&self, written: Written) -> Result<(), CommandError> {
        let key = self.id.parse::<ApiKey>();
        let id = key.as_ref().map_or(self.id.as_str(), ApiKey::id);
        let revoked =
            self.place.open_existing().await?.revoke_key(id).await.context("cannot revoke the key")?;
        if !revoked {
            let message = format!("there is no key with the id {id:?}; `steno keys list` lists them");
            return Err(anyhow::Error::msg(message).into());
        }
        match written {
            Written::Json => output::print_document(&json!({"id": id, "revoked": true})),
            Written::Text => output::print(&format!("key {id} is revoked\n")),
        }
    }
}

/// A refusal in its own words; of the database's, with what it was doing.
fn said(error: NotIssued) -> anyhow::Error {
    match error {
        NotIssued::Store(error) => anyhow::Error::new(error),
        error => anyhow::Error::msg(error.to_string()),
    }
}

fn show(issued: &Issued, written: Written) -> Result<(), CommandError> {
    let (key, record) = (issued.key.reveal(), &issued.record);
    if written == Written::Json {
        let mut document = document(record);
        document["key"] = Value::from(key);
        return output::print_document(&document);
    }
    let rows = [
        ("key", key.to_owned()),
        ("id", record.id.clone()),
        ("account", record.account.to_string()),
        ("tier", record.tier.clone()),
        ("label", record.label.clone()),
        ("rights", if record.admin { "admin".to_owned() } else { String::new() }),
    ];
    output::print(&format!("{}\nKeep the key: it is not shown again.\n", list(&rows)))
}

fn show_all(keys: &[KeyRecord], written: Written) -> Result<(), CommandError> {
    if written == Written::Json {
        return output::print_document(&json!({"keys": keys.iter().map(document).collect::<Vec<_>>()}));
    }
    let row = |key: &KeyRecord| {
        let state = if key.revoked_at.is_some() { "revoked" } else { "valid" };
        let rights = if key.admin { "admin" } else { "" };
        [
            key.id.clone(),
            state.to_owned(),
            clean(&key.tier),
            rights.to_owned(),
            clean(key.account.as_str()),
            moment(&rfc3339(key.created_at)),
            clean(&key.label),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::print(&table(["ID", "STATE", "TIER", "RIGHTS", "ACCOUNT", "CREATED", "LABEL"], &rows))
}

/// A key as the admin API shows it.
fn document(record: &KeyRecord) -> Value {
    let mut document = json!({
        "id": record.id,
        "label": record.label,
        "account": record.account.as_str(),
        "tier": record.tier,
        "admin": record.admin,
        "created_at": rfc3339(record.created_at),
    });
    if let Some(at) = record.revoked_at {
        document["revoked_at"] = Value::from(rfc3339(at));
    }
    document
}

fn show_balance(account: &AccountId, credits: &Used, written: Written) -> Result<(), CommandError> {
    let remaining = credits.left_of(credits.granted);
    match written {
        Written::Json => output::print_document(&json!({
            "account": account.as_str(),
            "granted": credits.granted,
            "used": credits.used,
            "reserved": credits.reserved,
            "remaining": remaining,
        })),
        Written::Text => {
            output::print(&format!("account {account} has {remaining} of {} credits left\n", credits.granted))
        }
    }
}
