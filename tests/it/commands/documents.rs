//! What goes to standard output, for people and as JSON.

use super::*;

#[tokio::test]
async fn a_transcript_goes_where_it_is_asked_for() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    let run = async |arguments: &[&str]| {
        let all: Vec<_> = ["transcribe", "talk.mp3"].iter().chain(arguments).copied().collect();
        desk.run(&server.url, &all).await
    };
    desk.file("talk.mp3", b"x");
    assert_eq!(run(&[]).await.ok(), "Good morning as txt.\n");
    assert_eq!(run(&["--format", "vtt"]).await.ok(), "Good morning as vtt.\n");
    assert_eq!(run(&["--json"]).await.document()["text"], "Good morning.");
    assert_eq!(run(&["--format", "json"]).await.document()["text"], "Good morning.");
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    // The form follows the name, unless it is given.
    assert_eq!(run(&["--output", "a.SRT"]).await.ok(), "");
    assert_eq!(read("a.SRT"), "Good morning as srt.\n");
    assert_eq!(run(&["-o", "b.srt", "--format", "vtt"]).await.ok(), "");
    assert_eq!(read("b.srt"), "Good morning as vtt.\n");
    // A folder, there or to be made; a link is written through; a device is not replaced.
    run(&["-o", "new/", "--format", "srt"]).await.ok();
    assert_eq!(read("new/talk.srt"), "Good morning as srt.\n");
    run(&["-o", "new"]).await.ok();
    assert_eq!(read("new/talk.txt"), "Good morning as txt.\n");
    std::os::unix::fs::symlink("new/talk.txt", desk.path("link.txt")).unwrap();
    run(&["-o", "link.txt", "--format", "vtt"]).await.ok();
    assert_eq!(read("new/talk.txt"), "Good morning as vtt.\n");
    assert!(desk.path("link.txt").is_symlink());
    assert_eq!(run(&["-o", "/dev/stdout"]).await.ok(), "Good morning as txt.\n");
    let written = run(&["-o", "c.vtt", "--json"]).await;
    assert_eq!(written.document(), json!({"file": "talk.mp3", "job_id": ID, "output": "c.vtt"}));
}

/// The server is told of the shape twice: with the job, so that it can refuse it at once, and with what it applies to.
#[tokio::test]
async fn a_shape_goes_with_the_job_and_with_its_transcript() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    let url = "https://example.org/talk.mp3";
    let shape = ["--max-chars", "32", "--max-lines", "3", "--min-duration", "0.5", "--max-duration", "6"];
    let more = ["--max-cps", "17", "--speaker-labels", "true", "--format", "tsv"];
    desk.run(&server.url, &[&["transcribe", url][..], &shape, &more].concat()).await.ok();
    let query = "max_chars=32&max_lines=3&min_duration=0.5&max_duration=6.0&max_cps=17";
    let address = format!("/v1/jobs/job_1/transcript?speaker_labels=true&{query}&format=tsv");
    let sorted = |address: &str| {
        let mut parts: Vec<_> = address.split(['?', '&']).map(str::to_owned).collect();
        parts.sort();
        parts
    };
    let read = || server.seen("GET", "/v1/jobs/job_1/transcript");
    assert_eq!(sorted(&read()[0].path), sorted(&address));
    let body: Value = serde_json::from_slice(&server.seen("POST", "/v1/jobs")[0].body).unwrap();
    let expected = json!({"url": url, "speaker_labels": "true", "max_chars": 32, "max_lines": 3,
                          "min_duration": 0.5, "max_duration": 6.0, "max_cps": 17});
    assert_eq!(body, expected);
    desk.run(&server.url, &[&["jobs", "transcript", "job_1"][..], &shape, &more].concat()).await.ok();
    assert_eq!(sorted(&read()[1].path), sorted(&address));
    for wrong in [["--max-chars", "many"], ["--max-duration", "long"], ["--min-duration", "NaN"]] {
        let done = desk.run(&server.url, &[&["transcribe", url][..], &wrong].concat()).await;
        assert_eq!(done.status, 2, "{}", done.err);
    }
}

#[tokio::test]
async fn an_address_is_sent_as_json() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    let url = "https://example.org/talk.mp3?a=b";
    let arguments =
        ["transcribe", url, "--language", "en", "--speakers", "2", "--diarize", "true", "--model", "mini"];
    desk.run(&server.url, &arguments).await.ok();
    let post = &server.seen("POST", "/v1/jobs")[0];
    assert_eq!(post.header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(body, json!({"url": url, "model": "mini", "language": "en", "diarize": true, "speakers": 2}));
    assert!(!post.header("idempotency-key").is_empty());
    desk.run(&server.url, &["transcribe", url, "--output", "."]).await.ok();
    assert!(desk.path("talk.txt").exists());
}

/// One bad file of several does not stop the others, but shows in the exit status.
#[tokio::test]
async fn several_files_are_transcribed_one_after_the_other() {
    let server = Scripted::start(|request, before| {
        let is_bad = steno_tests::scripted::find(&request.body, b"bad").is_some();
        match (request.method.as_str(), before, is_bad) {
            ("POST", 1, _) => refusal(400, "the file is a PDF document, not audio or video", vec![]),
            _ => well(request, before),
        }
    })
    .await;
    let desk = Desk::new();
    for name in ["one.mp3", "bad.mp3", "two.mp3"] {
        desk.file(name, b"x");
    }
    let names = ["transcribe", "one.mp3", "bad.mp3", "two.mp3"];
    let done = desk.run(&server.url, &names).await;
    assert_eq!(done.status, 1, "{}", done.err);
    assert_eq!(
        done.out,
        "==> one.mp3 <==\nGood morning as txt.\n\n==> bad.mp3 <==\n\n==> two.mp3 <==\nGood morning as txt.\n"
    );
    assert!(done.err.contains("steno: bad.mp3: the file is a PDF document"), "{}", done.err);
    let done = desk.run(&server.url, &[&names[..], &["--json"]].concat()).await;
    let results = done.document()["results"].clone();
    assert_eq!(done.status, 0, "{}", done.err);
    assert_eq!(results[2]["transcript"]["text"], "Good morning.");
    assert_eq!((&results[0]["file"], &results[0]["job_id"]), (&json!("one.mp3"), &json!(ID)));
    desk.run(&server.url, &[&names[..], &["--output", "texts", "--format", "srt"]].concat()).await.ok();
    assert_eq!(std::fs::read_dir(desk.path("texts")).unwrap().count(), 3);
    // A refusal of the key stops them all.
    let server = Scripted::start(|_, _| refusal(401, "unknown key", vec![])).await;
    let done = desk.run(&server.url, &[&names[..], &["--json"]].concat()).await;
    assert_eq!(done.failed(1), "one.mp3: unknown key");
    assert_eq!(
        done.document(),
        json!({"results": [{"error": "unknown key", "code": "scripted", "file": "one.mp3"}]})
    );
    assert_eq!(server.seen("POST", "/v1/jobs").len(), 1);
}

#[tokio::test]
async fn a_job_that_fails_is_told_in_its_own_words() {
    let failed =
        json!({"id": ID, "state": "failed", "error": {"code": "no_audio", "message": "no audio track"}});
    let server = Scripted::start(move |request, before| match request.method.as_str() {
        "GET" => Act::Answer(200, vec![], failed.to_string()),
        _ => well(request, before),
    })
    .await;
    let desk = Desk::new();
    desk.file("talk.mp3", b"x");
    let done = desk.run(&server.url, &["transcribe", "talk.mp3", "--json"]).await;
    assert_eq!(done.failed(1), "no audio track");
    assert_eq!(done.document(), json!({"error": "no audio track", "code": "no_audio", "job_id": ID}));
    assert!(server.seen("POST", "/v1/jobs/job_1/cancel").is_empty());
}

/// Without a terminal, progress is a few plain lines.
#[tokio::test]
async fn progress_is_lines_where_there_is_no_terminal() {
    let server = Scripted::start(|request, before| match (request.method.as_str(), before) {
        ("GET", 0) => Act::Answer(200, vec![], queued().to_string()),
        ("GET", 1 | 2) => Act::Answer(200, vec![], running().to_string()),
        (_, before) => well(request, before),
    })
    .await;
    let desk = Desk::new();
    desk.file("talk.mp3", &[0; 1 << 20]);
    let done = desk.run(&server.url, &["transcribe", "talk.mp3"]).await;
    done.ok();
    let lines: Vec<_> = done.err.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("steno: talk.mp3: uploading, "), "{lines:?}");
    assert_eq!(lines[1], "steno: talk.mp3: waiting in the queue, 3 before it");
    assert_eq!(lines[2], "steno: talk.mp3: transcribing, 0:15 of 1:00 (25 %)");
}

#[tokio::test]
async fn jobs_are_a_table_in_which_hostile_names_are_harmless() {
    let list = json!({"jobs": [
        {"id": ID, "state": "processing", "file_name": "talk\u{1b}[2J.mp3", "created_at": "2026-11-21T08:30:00.5Z",
         "progress": {"stage": "transcribe", "done_seconds": 15.0, "total_seconds": 60.0}, "duration": 60.0},
        {"id": "job_2", "state": "queued", "url": "https://a/b", "created_at": "2026-11-21T08:29:00Z", "queue_position": 1},
    ], "next_cursor": "c1"});
    let (body, answered) = (list.to_string(), list.clone());
    let server = Scripted::start(move |_, _| Act::Answer(200, vec![], body.clone())).await;
    let desk = Desk::new();
    let done = desk.run(&server.url, &["jobs", "--state", "queued", "--limit", "2", "--cursor", "c 0"]).await;
    assert_eq!(
        done.ok(),
        "ID     STATE       PROGRESS         LENGTH  CREATED               FILE\n\
         job_1  processing  transcribe 25 %  1:00    2026-11-21 08:30:00Z  talk\u{fffd}[2J.mp3\n\
         job_2  queued      1 before it              2026-11-21 08:29:00Z  https://a/b\n"
    );
    assert_eq!(done.err, "steno: there are more: steno jobs --cursor c1\n");
    let asked = &server.seen("GET", "/v1/jobs")[0].path;
    assert_eq!(asked, "/v1/jobs?limit=2&state=queued&cursor=c+0");
    let done = desk.run(&server.url, &["jobs", "list", "--json"]).await;
    assert_eq!(done.document(), answered);
    assert_eq!(done.err, "");
}

/// `cancel` does not delete what has ended, `delete` deletes what has not.
#[tokio::test]
async fn a_job_is_cancelled_or_deleted_as_it_was_said() {
    let server = Scripted::start(|request, before| match (request.method.as_str(), request.address()) {
        ("GET", "/v1/jobs/done") => {
            Act::Answer(200, vec![], json!({"id": "done", "state": "failed"}).to_string())
        }
        ("GET", "/v1/jobs/job_1") => Act::Answer(200, vec![], running().to_string()),
        ("POST", "/v1/jobs/done/cancel") => {
            Act::Answer(409, vec![], json!({"error": "it has ended", "code": "not_ready"}).to_string())
        }
        ("DELETE", "/v1/jobs/job_1") if before == 1 => Act::Answer(204, vec![], String::new()),
        ("DELETE", "/v1/jobs/job_1") => {
            Act::Answer(200, vec![], json!({"id": ID, "state": "cancelled"}).to_string())
        }
        ("POST", "/v1/jobs/job_1/retry") => Act::Answer(202, vec![], queued().to_string()),
        _ => well(request, before),
    })
    .await;
    let desk = Desk::new();
    let done = desk.run(&server.url, &["jobs", "cancel", "done"]).await;
    assert!(done.failed(1).contains("was failed already"), "{}", done.err);
    assert!(server.seen("DELETE", "/v1/jobs/done").is_empty());
    let done = desk.run(&server.url, &["jobs", "cancel", ID, "--json"]).await;
    assert_eq!(done.document()["state"], "cancelled");
    let done = desk.run(&server.url, &["jobs", "delete", ID]).await;
    assert_eq!(done.ok(), "job job_1 is deleted\n");
    assert_eq!(server.seen("DELETE", "/v1/jobs/job_1").len(), 2);
    assert!(desk.run(&server.url, &["jobs", "show", ID]).await.ok().contains("progress  transcribe 25 %\n"));
    let done = desk.run(&server.url, &["jobs", "retry", ID, "--stage", "transcribe", "--json"]).await;
    assert_eq!(done.document()["state"], "queued");
    assert_eq!(server.seen("POST", "/v1/jobs/job_1/retry")[0].path, "/v1/jobs/job_1/retry?stage=transcribe");
}

/// `steno jobs | head -1` is no failure.
#[tokio::test]
async fn whoever_reads_may_stop_reading() {
    let jobs: Vec<_> = (0..5000).map(|_| json!({"id": ID, "state": "queued"})).collect();
    let body = json!({"jobs": jobs}).to_string();
    let server = Scripted::start(move |_, _| Act::Answer(200, vec![], body.clone())).await;
    let desk = Desk::new();
    let mut child = desk.command(&server.url, &["jobs"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = super::done(child).await;
    assert_eq!((done.status, done.err.as_str()), (0, ""));
}
