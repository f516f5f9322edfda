//! `steno keys`: keys before, beside and without a server.

use std::path::Path;

use steno_shared::key::ApiKey;
use steno_tests::world::{Plan, World};

use super::*;

/// A command of `steno keys` on a folder of its own.
async fn keys(desk: &Desk, arguments: &[&str]) -> Done {
    let all: Vec<_> = ["keys"].iter().chain(arguments).copied().collect();
    desk.run("http://127.0.0.1:1", &all).await
}

/// Every file below a folder that holds these bytes.
fn files_with(folder: &Path, bytes: &[u8]) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &Path| steno_tests::scripted::find(&std::fs::read(path).unwrap(), bytes).is_some();
    entries.map(|path| if path.is_dir() { files_with(&path, bytes) } else { usize::from(holds(&path)) }).sum()
}

#[tokio::test]
async fn keys_are_made_on_a_fresh_folder_and_shown_once() {
    let desk = Desk::new();
    let quiet = keys(&desk, &["create", "--tier", "free", "--label", "Ada's laptop", "--quiet"]).await;
    let key: ApiKey = quiet.ok().strip_suffix('\n').unwrap().parse().unwrap();
    assert_eq!(quiet.err, "");
    let made = keys(&desk, &["create", "--tier", "paid", "--credits", "600", "--admin", "--json"]).await;
    made.ok();
    let made = made.document();
    let other: ApiKey = made["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        (&made["tier"], &made["admin"], &made["id"]),
        (&json!("paid"), &json!(true), &json!(other.id()))
    );
    let account = made["account"].as_str().unwrap();
    assert!(account.starts_with("acc_"), "{account}");
    let text = keys(&desk, &["create", "--account", account, "--label", "second"]).await;
    assert!(text.ok().contains("Keep the key: it is not shown again.") && text.out.contains(account));

    let listed = keys(&desk, &["list", "--json"]).await;
    let list = listed.document()["keys"].clone();
    assert_eq!(list.as_array().unwrap().len(), 3, "{list}");
    assert_eq!((&list[0]["label"], &list[0]["tier"]), (&json!("Ada's laptop"), &json!("free")));
    assert_eq!((&list[2]["account"], &list[2]["tier"]), (&json!(account), &json!("paid")));
    let table = keys(&desk, &["list"]).await;
    assert_eq!(table.ok().lines().count(), 4, "{}", table.out);
    for shown in [&listed.out, &table.out] {
        assert!(shown.contains(key.id()) && !shown.contains("stn_"), "{shown}");
    }
    // The database has the hash alone, and nobody else can read it.
    assert_eq!(files_with(desk.folder.path(), key.reveal().as_bytes()), 0);
    assert!(files_with(desk.folder.path(), key.id().as_bytes()) > 0, "the search finds nothing at all");

    let granted = keys(&desk, &["grant", account, "--credits", "50", "--json"]).await;
    let balance = json!({"account": account, "granted": 650, "used": 0, "reserved": 0, "remaining": 650});
    assert_eq!(granted.document(), balance);
    let said = keys(&desk, &["grant", account, "--credits", "1", "--note", "sorry"]).await;
    assert_eq!(said.ok(), format!("account {account} has 651 of 651 credits left\n"));

    // By the id, or by the key itself; a second time changes nothing.
    for name in [key.id(), key.reveal(), key.id()] {
        let revoked = keys(&desk, &["revoke", name, "--json"]).await;
        revoked.ok();
        assert_eq!(revoked.document(), json!({"id": key.id(), "revoked": true}));
    }
    let list = keys(&desk, &["list", "--json"]).await.document();
    assert!(
        list["keys"][0]["revoked_at"].is_string() && list["keys"][1].get("revoked_at").is_none(),
        "{list}"
    );
}

#[tokio::test]
async fn what_there_is_not_is_refused_with_what_there_is() {
    let desk = Desk::new();
    let done = keys(&desk, &["create", "--tier", "gold", "--json"]).await;
    let sentence = "there is no tier \"gold\"; there are: anonymous, free, paid, unlimited; others are in the \
                    server's --tiers FILE";
    assert_eq!(done.failed(1), sentence);
    assert_eq!(done.document()["error"], sentence);
    for arguments in [&["list"][..], &["revoke", "x"], &["grant", "acc_x", "--credits", "5"]] {
        let done = keys(&desk, arguments).await;
        assert!(done.failed(1).contains("--data names the server's data folder"), "{}", done.err);
    }
    assert!(!desk.path("data").exists(), "a slip has made a database");
    desk.file("tiers.json", br#"{"team": {"concurrent": 9}}"#);
    let tiers = ["--tiers", "tiers.json"];
    keys(&desk, &[&["create", "--tier", "team"], &tiers[..]].concat()).await.ok();
    let done = keys(&desk, &[&["create", "--tier", "gold"], &tiers[..]].concat()).await;
    assert!(done.failed(1).contains("paid, team, unlimited;"), "{}", done.err);
    desk.file("tiers.json", b"{");
    let done = keys(&desk, &[&["create", "--tier", "team"], &tiers[..]].concat()).await;
    assert!(done.failed(1).starts_with("--tiers tiers.json: the tiers cannot be read"), "{}", done.err);

    let long = "x".repeat(201);
    for (arguments, sentence) in [
        (&["create", "--account", "acc_nobody"][..], "there is no account \"acc_nobody\""),
        (&["create", "--tier", "free", "--credits", "0"], "credits must be at least 1"),
        (
            &["create", "--tier", "free", "--label", &long],
            "a label is at most 200 characters, without line breaks",
        ),
        (
            &["create", "--tier", "free", "--label", "a\nb"],
            "a label is at most 200 characters, without line breaks",
        ),
        (&["revoke", "nobody"], "there is no key with the id \"nobody\"; `steno keys list` lists them"),
        (&["grant", "acc_nobody", "--credits", "5"], "there is no account \"acc_nobody\""),
        (&["grant", "anonymous", "--credits", "5"], "there is no account \"anonymous\""),
    ] {
        assert_eq!(keys(&desk, arguments).await.failed(1), sentence);
    }
    for arguments in [
        &["create"][..],
        &["create", "--tier", "free", "--quiet", "--json"],
        &["create", "--tier", "free", "--credits", "-1"],
        &["grant", "acc_x"],
        &["revoke"],
        &[],
    ] {
        assert_eq!(keys(&desk, arguments).await.status, 2, "{arguments:?}");
    }
    let mut made = Vec::new();
    for key in keys(&desk, &["list", "--json"]).await.document()["keys"].as_array().unwrap() {
        made.push(key["account"].as_str().unwrap().to_owned());
    }
    assert_eq!(made.len(), 1, "a refused key was made");
    let done = keys(&desk, &["create", "--tier", "free", "--account", &made[0]]).await;
    assert!(done.failed(1).contains("is of the tier \"team\"; a key does not change that"), "{}", done.err);
    let done = keys(&desk, &["create", "--tier", "free", "--data", "/dev/null/x"]).await;
    assert!(done.failed(1).starts_with("cannot make the data folder /dev/null/x"), "{}", done.err);
}

/// A key works as soon as it is made, and no longer than until it is revoked; the server never writes it down.
#[tokio::test]
async fn a_running_server_knows_keys_at_once() {
    let mut world: World = Plan::default().lanes(&[]).set("STENO_LOG", "debug").start().await;
    let run = |arguments: &[&str]| {
        let output = world.command("steno", arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let key = run(&["keys", "create", "--tier", "free", "--quiet"]).trim().to_owned();
    let client = world.client().with_key(&key);
    assert_eq!(client.get("/v1/jobs/nobody").await.refused(404), "no such job");
    run(&["keys", "revoke", &key[4..14]]);
    assert!(client.get("/v1/jobs/nobody").await.refused(401).contains("revoked"));
    let log = world.api().log();
    assert!(log.contains("listening") && !log.contains(&key[15..]), "a key is in the log");
}
