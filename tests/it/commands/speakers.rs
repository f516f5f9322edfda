//! `steno jobs speakers`.

use super::*;

fn document() -> Value {
    json!({"speakers": [
        {"label": "Speaker 1", "name": "Anna\u{1b}[2J", "merged": ["Speaker 3"], "speech_seconds": 65.5, "words": 120},
        {"label": "Speaker 2", "speech_seconds": 4.0, "words": 7},
    ], "turns": [], "count": {"min_speakers": 1, "max_speakers": 32, "found": 3}})
}

#[tokio::test]
async fn speakers_are_shown_and_changed_in_one_request() {
    let server = Scripted::start(|_, _| Act::Answer(200, vec![], document().to_string())).await;
    let desk = Desk::new();
    let done = desk.run(&server.url, &["jobs", "speakers", ID]).await;
    assert_eq!(
        done.ok(),
        "SPEAKER    SPEECH  WORDS  MERGED     NAME\n\
         Speaker 1  1:05    120    Speaker 3  Anna\u{fffd}[2J\n\
         Speaker 2  0:04    7\n"
    );
    let path = "/v1/jobs/job_1/speakers";
    assert_eq!((server.seen("GET", path).len(), server.seen("PATCH", path).len()), (1, 0));
    let arguments = [
        ["--name", "Speaker 1=Anna = Bea"],
        ["--name", "Speaker 2="],
        ["--merge", "Speaker 1, Speaker 3"],
        ["--split", "Speaker 4"],
        ["--speakers", "3"],
        ["--min-speakers", "2"],
    ];
    let arguments = [&["jobs", "speakers", ID, "--json"][..], &arguments.concat()].concat();
    assert_eq!(desk.run(&server.url, &arguments).await.document(), document());
    let body: Value = serde_json::from_slice(&server.seen("PATCH", path)[0].body).unwrap();
    let expected = json!({"names": {"Speaker 1": "Anna = Bea", "Speaker 2": ""},
                          "merge": [["Speaker 1", "Speaker 3"]], "split": ["Speaker 4"],
                          "speakers": 3, "min_speakers": 2});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_cannot_be_meant_is_not_sent() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    for wrong in
        [["--name", "Anna"], ["--merge", "Speaker 1"], ["--merge", "Speaker 1,"], ["--speakers", "33"]]
    {
        let done = desk.run(&server.url, &[&["jobs", "speakers", ID][..], &wrong].concat()).await;
        assert_eq!(done.status, 2, "{wrong:?}: {}", done.err);
    }
    assert!(server.seen("PATCH", "/v1/jobs/job_1/speakers").is_empty());
    let server = Scripted::start(|_, _| refusal(400, "there is no speaker \"Eve\"", vec![])).await;
    let done = desk.run(&server.url, &["jobs", "speakers", ID, "--name", "Eve=Ada"]).await;
    assert_eq!(done.failed(1), "there is no speaker \"Eve\"");
    let server = Scripted::start(|_, _| Act::Answer(200, vec![], "{}".to_owned())).await;
    let done = desk.run(&server.url, &["jobs", "speakers", ID]).await;
    assert!(done.failed(1).contains("not a list of speakers"), "{}", done.err);
}

/// The number of speakers and its limits go with a job.
#[tokio::test]
async fn limits_are_sent_with_the_job() {
    let server = Scripted::start(well).await;
    let desk = Desk::new();
    let url = "https://example.org/talk.mp3";
    let arguments = ["transcribe", url, "--min-speakers", "2", "--max-speakers", "4"];
    desk.run(&server.url, &arguments).await.ok();
    let body: Value = serde_json::from_slice(&server.seen("POST", "/v1/jobs")[0].body).unwrap();
    assert_eq!(body, json!({"url": url, "min_speakers": 2, "max_speakers": 4}));
}
