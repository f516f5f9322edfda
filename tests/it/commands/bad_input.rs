//! What users mistype: files, options, addresses, keys.

use super::*;

#[tokio::test]
async fn files_that_cannot_be_transcribed_are_refused_before_anything_is_sent() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    desk.file("good.mp3", b"x");
    desk.file("empty.mp3", b"");
    std::fs::create_dir(desk.path("folder")).unwrap();
    for (name, sentence) in [
        ("missing.mp3", "cannot read missing.mp3: No such file or directory (os error 2)"),
        ("folder", "folder is a folder; name the files in it"),
        ("empty.mp3", "empty.mp3 is empty"),
    ] {
        for arguments in [&["transcribe", name, "--json"][..], &["transcribe", "good.mp3", name, "--json"]] {
            let done = desk.run(&server.url, arguments).await;
            assert_eq!(done.failed(1), sentence);
            assert_eq!(done.document()["error"], sentence);
        }
    }
    let done = desk.run(&server.url, &["transcribe", "good.mp3", "--output", "no/such/folder.srt"]).await;
    assert!(done.failed(1).contains("there is no folder no/such"), "{}", done.err);
    let done = desk.run_with_input(&server.url, &["transcribe", "-", "--output", "/dev/null/"], b"x").await;
    assert!(done.failed(1).contains("/dev/null"), "{}", done.err);
    assert!(server.seen("POST", "/v1/jobs").is_empty());
    // An empty redirection is a file that is empty; a pipe that is empty is the server's to refuse.
    let empty = std::fs::File::open(desk.path("empty.mp3")).unwrap();
    let child = desk.command(&server.url, &["transcribe", "-"]).stdin(empty).spawn().unwrap();
    assert_eq!(super::done(child).await.failed(1), "standard input is empty");
    let redirected = std::fs::File::open(desk.path("good.mp3")).unwrap();
    let child = desk.command(&server.url, &["transcribe", "-"]).stdin(redirected).spawn().unwrap();
    super::done(child).await.ok();
    assert!(server.seen("POST", "/v1/jobs")[0].header("transfer-encoding").is_empty());
}

#[tokio::test]
async fn what_does_not_go_together_is_wrong_usage() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    for name in ["a.mp3", "a.wav"] {
        desk.file(name, b"x");
    }
    for arguments in [
        &["transcribe"][..],
        &["transcribe", "a.mp3", "--format", "docx"],
        &["transcribe", "a.mp3", "--diarize", "maybe"],
        &["transcribe", "a.mp3", "--speakers", "33"],
        &["transcribe", "a.mp3", "--speakers", "-1"],
        &["transcribe", "a.mp3", "--json", "--format", "srt"],
        &["transcribe", "a.mp3", "a.wav", "--format", "srt"],
        &["transcribe", "a.mp3", "a.wav", "--output", "out"],
        &["transcribe", "-", "-"],
        &["jobs", "forget", "job_1"],
        &["jobs", "show"],
        &["jobs", "--limit", "many"],
        &["jobs", "transcript", "job_1", "--json", "--format", "vtt"],
        &["transcript"],
    ] {
        let done = desk.run(&server.url, arguments).await;
        assert_eq!(done.status, 2, "{arguments:?}: {}{}", done.out, done.err);
        assert!(!done.err.is_empty(), "{arguments:?}");
    }
    assert!(server.seen("POST", "/v1/jobs").is_empty() && server.seen("GET", "/v1/jobs").is_empty());
    assert!(!desk.path("out").exists());
}

#[tokio::test]
async fn addresses_and_keys_that_are_none_are_refused_and_no_key_is_shown() {
    let desk = Desk::new();
    desk.file("a.mp3", b"x");
    for server in ["", "localhost:8080", "ftp://host", "http://"] {
        let done = desk.run(server, &["usage", "--json"]).await;
        assert!(done.failed(1).contains("--server must be an address such as"), "{server}: {}", done.err);
        assert_eq!(done.document()["code"], "invalid_setting");
    }
    let secret = "stn_abc_sécret";
    for help in [&["transcribe", "--help"][..], &["jobs", "--help"], &["usage"], &["usage", "--json"]] {
        let child = desk.command("http://127.0.0.1:1", help).env("STENO_KEY", secret).spawn().unwrap();
        let done = super::done(child).await;
        assert!(!done.out.contains("cret") && !done.err.contains(secret), "{}{}", done.out, done.err);
    }
}

/// An id that is none does not become another address.
#[tokio::test]
async fn unknown_ids_are_the_servers_to_refuse() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    for id in ["nobody", "../../health", "a b?c=d#e", "."] {
        for action in ["show", "cancel", "delete", "retry", "transcript"] {
            let done = desk.run(&server.url, &["jobs", action, id, "--json"]).await;
            assert_eq!(done.failed(1), "no such job", "{action} {id}");
            assert_eq!(done.document(), json!({"error": "no such job", "code": "not_found"}));
        }
    }
    assert!(server.seen("GET", "/health").is_empty());
    assert_eq!(server.seen("GET", "/v1/jobs/..%2F..%2Fhealth").len(), 2);
}
