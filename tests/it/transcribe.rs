//! `POST /v1/transcribe`: what the contract promises of it.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use steno_shared::job::{Lane, StageKind, StageState};
use steno_tests::client::{answer, form, form_of};
use steno_tests::score::Score;
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

use crate::rows;

/// A short clip that the model hears well enough, and its text.
fn clip() -> clips::Clip {
    clips::heldout().into_iter().find(|clip| !clip.heldout && clip.seconds > 3.0).unwrap()
}

/// Holds every promise about times, words and text.
fn check(transcript: &Value) {
    let seconds = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let duration = seconds(&transcript["duration"]);
    let mut texts = Vec::new();
    let mut earlier = 0.0;
    for segment in transcript["segments"].as_array().unwrap() {
        let (start, end) = (seconds(&segment["start"]), seconds(&segment["end"]));
        assert!(earlier <= start && start <= end && end <= duration, "{segment} in {duration}");
        earlier = start;
        let confidence = seconds(&segment["confidence"]);
        assert!((0.0..=1.0).contains(&confidence));
        let text = segment["text"].as_str().unwrap();
        assert_eq!(text, text.trim());
        texts.push(text);
        let mut word_earlier = start;
        let words = segment["words"].as_array().unwrap();
        assert!(!words.is_empty(), "{segment}");
        for word in words {
            let (from, to) = (seconds(&word["start"]), seconds(&word["end"]));
            assert!(word_earlier <= from && from <= to && to <= end, "{word} in {segment}");
            assert!(
                (from * 1000.0 - (from * 1000.0).round()).abs() < 1e-6,
                "{from} has more than 3 decimals"
            );
            word_earlier = from;
            let (bare, full) = (word["word"].as_str().unwrap(), word["punctuated_word"].as_str().unwrap());
            assert!(full.contains(bare) && !bare.starts_with(' '));
            assert!(text.contains(full), "{full:?} is not in {text:?}");
        }
    }
    assert_eq!(transcript["text"].as_str().unwrap(), texts.join(" "));
    let (speech, transcribed) =
        (seconds(&transcript["speech_seconds"]), seconds(&transcript["transcribed_seconds"]));
    assert!(transcribed <= speech && speech <= duration, "{transcribed} of {speech} in {duration}");
}

#[tokio::test]
async fn a_recording_becomes_a_transcript() {
    let world = World::start().await;
    let (recording, said) = clips::briefing();
    let answer = world.client().transcribe_file(&recording, &[]).await;
    let transcript = answer.ok();
    check(&transcript);
    let score = Score::of(&said, transcript["text"].as_str().unwrap());
    println!("the bundled recording: {} of {} words wrong", score.errors, score.words);
    assert!(score.words >= 60 && score.percent() <= 20.0, "{transcript}");
    assert_eq!(transcript["language"], "en");
    assert!(transcript["language_probability"].as_f64().unwrap() > 0.5);
    assert_eq!(transcript["model"], "mini");
    assert_eq!(transcript["warnings"], serde_json::json!([]));
    assert_eq!(transcript["speakers"], serde_json::json!(["Speaker 1", "Speaker 2"]));
    let mut turns: Vec<&str> = Vec::new();
    for segment in transcript["segments"].as_array().unwrap() {
        let speaker = segment["speaker"].as_str().unwrap();
        assert!(segment["words"].as_array().unwrap().iter().all(|word| word["speaker"] == speaker));
        if turns.last() != Some(&speaker) {
            turns.push(speaker);
        }
    }
    assert_eq!(turns, clips::briefing_turns());
    let id = answer.header("x-job-id");
    assert_eq!(answer.header("location"), format!("/v1/jobs/{id}"));
    assert_eq!(answer.header("content-type"), "application/json");
    world.queue_is_empty().await;
}

#[tokio::test]
async fn the_written_forms_have_their_types_and_names() {
    let world = World::start().await;
    let clip = clip();
    for (format, content_type, extension, begins) in [
        ("txt", "text/plain; charset=utf-8", "txt", ""),
        ("text", "text/plain; charset=utf-8", "txt", ""),
        ("srt", "application/x-subrip; charset=utf-8", "srt", "1\n00:00:0"),
        ("vtt", "text/vtt; charset=utf-8", "vtt", "WEBVTT\n\n"),
        ("SRT", "application/x-subrip; charset=utf-8", "srt", "1\n00:00:0"),
        ("tsv", "text/tab-separated-values; charset=utf-8", "tsv", "start\tend\ttext\n"),
    ] {
        let fields = [("response_format", format), ("diarize", "False"), ("language", "en")];
        let form = form_of(std::fs::read(clip.path()).unwrap(), "My talk.mp3", &fields);
        let answer = world.client().transcribe(form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), content_type);
        let disposition = format!("inline; filename=\"My talk.{extension}\"");
        assert_eq!(answer.header("content-disposition"), disposition);
        assert!(answer.body.starts_with(begins), "{}", answer.body);
        let rows = answer.body.strip_prefix(begins).filter(|_| format == "tsv").unwrap_or(&answer.body);
        let said = rows.lines().filter(|line| line.chars().any(char::is_alphabetic) && *line != "WEBVTT");
        let score = Score::of(&clip.text, &said.collect::<Vec<_>>().join(" "));
        assert!(score.percent() < 50.0, "{format}: {}", answer.body);
    }
    let json = world
        .client()
        .transcribe_file(&clip.path(), &[("response_format", "verbose_json"), ("diarize", "0")])
        .await;
    let json = json.ok();
    assert_eq!(json["warnings"], serde_json::json!([]));
    check(&json);
}

#[tokio::test]
async fn fields_are_taken_in_every_form_that_clients_send() {
    let world =
        Plan::default().set("STENO_MODEL_ALIASES", "large-v3-turbo=mini,whisper-large=turbo").start().await;
    let clip = clip();
    for fields in [
        // What the official Python client sends.
        &[("model", "large-v3-turbo"), ("language", "auto"), ("diarize", "true"), ("speakers", "0")][..],
        &[("model", "whisper-1"), ("language", "en-US")],
        &[("model", "turbo"), ("language", "English"), ("diarize", "NO")],
        &[("model", "whisper-large"), ("language", ""), ("speakers", "32")],
        &[("model", ""), ("language", "EN"), ("speakers", "1"), ("response_format", "JSON")],
    ] {
        let transcript = world.client().transcribe_file(&clip.path(), fields).await.ok();
        assert_eq!(
            (transcript["model"].as_str(), transcript["language"].as_str()),
            (Some("mini"), Some("en")),
            "{fields:?}"
        );
        let given = fields.iter().any(|(name, value)| *name == "language" && !["", "auto"].contains(value));
        let probability = transcript["language_probability"].as_f64().unwrap();
        assert!(
            (0.0..=1.0).contains(&probability) && (!given || probability == 1.0),
            "{fields:?}: {probability}"
        );
    }
    let javanese = world.client().transcribe_file(&clip.path(), &[("language", "jw")]).await.ok();
    assert_eq!(javanese["language"], "jv");
    assert!(javanese["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "language_unsupported"));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_a_reason_and_leaves_nothing() {
    let world = World::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let silent_video = folder.path().join("video.mp4");
    clips::ffmpeg(&["-f", "lavfi", "-i", "color=size=64x64:duration=1", "-c:v", "mpeg4"], &silent_video);
    let sound = std::fs::read(clip().path()).unwrap();
    let pdf = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n".repeat(100);
    let text = b"Dear all, please find the recording attached. ".repeat(200);
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (content, fields, status, expected) in [
        (sound.clone(), &[("model", "gigantic")][..], 400, "unknown model"),
        (sound.clone(), &[("model", "small")], 503, "not installed"),
        (sound.clone(), &[("language", "klingon")], 400, "unknown language"),
        (sound.clone(), &[("diarize", "perhaps")], 400, "diarize must be true or false"),
        (sound.clone(), &[("speakers", "33")], 400, "speakers must be a whole number"),
        (sound.clone(), &[("speakers", "-1")], 400, "speakers must be a whole number"),
        (sound.clone(), &[("speakers", "two")], 400, "speakers must be a whole number"),
        (sound.clone(), &[("response_format", "docx")], 400, "must be json, txt, srt, vtt or tsv"),
        (sound.clone(), &[("speaker_labels", "x")], 400, "speaker_labels must be"),
        (sound.clone(), &[("max_chars", "9")], 400, "max_chars must be a whole number from 10 to 200"),
        (sound.clone(), &[("max_lines", "0")], 400, "max_lines must be a whole number from 1 to 10"),
        (sound.clone(), &[("max_duration", "long")], 400, "max_duration must be a number of seconds"),
        (sound.clone(), &[("min_duration", "8")], 400, "min_duration must not be greater than max_duration"),
        (sound.clone(), &[("max_cps", "0")], 400, "max_cps must be a whole number from 5 to 60"),
        (pdf, &[], 400, "PDF"),
        (text, &[("response_format", "srt")], 400, "text"),
        (noise, &[], 400, ""),
        (sound[..40].to_vec(), &[], 400, ""),
        (std::fs::read(&silent_video).unwrap(), &[("response_format", "vtt")], 400, "no audio track"),
        (Vec::new(), &[], 400, "empty"),
    ] {
        let length = content.len();
        let answer = world.client().transcribe(form_of(content, "x.mp3", fields)).await;
        let sentence = answer.refused(status);
        assert!(sentence.contains(expected), "{length} bytes, {fields:?}: {sentence}");
        let mut words = sentence.split_whitespace();
        assert!(words.all(|word| !word.starts_with('/') || word.starts_with("/v1/")), "a path in {sentence}");
        assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{:?}", answer.headers);
    }
    world.objects_are_gone().await;
    world.queue_is_empty().await;
    assert_eq!(rows::jobs(&world).await.len(), 0, "a refused request left a job");
}

#[tokio::test]
async fn a_wrong_key_is_never_taken_for_none() {
    let world = World::start().await;
    let clip = clip();
    let stranger = steno_shared::key::ApiKey::random();
    let typo = stranger.reveal().replace("stn_", "stn_x");
    for key in ["", "x", "stn_", &typo, stranger.reveal()] {
        let answer = world.client().with_key(key).transcribe_file(&clip.path(), &[]).await;
        let sentence = answer.refused(401);
        assert!(sentence.contains("key"), "{sentence}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let basic = world.client().request(Method::POST, "/v1/transcribe").header("Authorization", "Basic eDp5");
    assert!(answer(basic.multipart(form(&clip.path(), &[]))).await.refused(401).contains("Bearer"));
    let keyed = world.keyed_client().await.transcribe_file(&clip.path(), &[]).await;
    assert_eq!(keyed.status, 200, "{}", keyed.body);
}

#[tokio::test]
async fn without_anonymous_callers_a_key_is_needed() {
    let world = Plan::default().set("STENO_ANONYMOUS", "off").start().await;
    let refused = world.client().transcribe_file(&clip().path(), &[]).await;
    assert!(refused.refused(401).contains("Authorization: Bearer KEY"));
    assert_eq!(world.client().get("/v1/models").await.status, 200);
    assert_eq!(world.client().get("/health").await.status, 200);
}

/// A world in which a transcription takes seconds, and answers begin before that.
fn slow() -> Plan {
    Plan::default()
        .set("STENO_FAILPOINTS", "transcribe.claimed=sleep(3000)")
        .set("STENO_SYNC_HOLD", "200ms")
        .set("STENO_SYNC_HEARTBEAT", "200ms")
}

#[tokio::test]
async fn a_long_wait_is_kept_alive_by_white_space_before_the_json() {
    let world = slow().start().await;
    let answer = world.client().transcribe_file(&clip().path(), &[]).await;
    let white = answer.body.len() - answer.body.trim_start().len();
    assert!(white >= 3, "{white} newlines before the answer");
    assert!(!answer.header("x-job-id").is_empty());
    check(&answer.ok());
    // The other forms wait in silence.
    let text = world.client().transcribe_file(&clip().path(), &[("response_format", "txt")]).await;
    assert_eq!(text.status, 200);
    assert_eq!(text.body, text.body.trim_start());
}

#[tokio::test]
async fn a_failure_after_the_answer_began_breaks_it_off() {
    let world = slow().start().await;
    let client = world.client();
    let request = client.request(Method::POST, "/v1/transcribe").multipart(form(&clip().path(), &[]));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let id = response.headers()["x-job-id"].to_str().unwrap().to_owned();
    assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.ok()["state"], "cancelled");
    let body = response.bytes().await;
    assert!(body.is_err(), "a whole body for a job that was cancelled: {body:?}");
    world.objects_are_gone().await;
}

#[tokio::test]
async fn the_wait_has_an_end_and_the_job_goes_on() {
    let world = slow().set("STENO_SYNC_MAX_WAIT", "500ms").start().await;
    let waited = world.client().transcribe_file(&clip().path(), &[("response_format", "srt")]).await;
    assert!(waited.refused(503).contains("goes on"));
    assert!(!waited.header("retry-after").is_empty());
    let id = waited.json()["job_id"].as_str().unwrap().to_owned();
    assert_eq!(waited.header("x-job-id"), id);
    let path = format!("/v1/jobs/{id}/transcript?format=srt");
    let found = wait::until("the transcript", SOON, async || {
        let answer = world.client().get(&path).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(found.body.starts_with("1\n"), "{}", found.body);
}

/// The job of a client that leaves: cancelled for one without a key, since nobody else knows its id; finished for
/// one with.
#[tokio::test]
async fn a_client_that_leaves_takes_an_anonymous_job_with_it() {
    let world = slow().start().await;
    for (client, expected) in [(world.client(), "cancelled"), (world.keyed_client().await, "completed")] {
        let request = client.request(Method::POST, "/v1/transcribe").multipart(form(&clip().path(), &[]));
        let response = request.send().await.unwrap();
        let id = response.headers()["x-job-id"].to_str().unwrap().to_owned();
        let mut body = response.bytes_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "\n");
        drop(body);
        let state = wait::until("the job's end", SOON, async || {
            let job = client.get(&format!("/v1/jobs/{id}")).await.ok();
            let state = job["state"].as_str().unwrap().to_owned();
            ["cancelled", "completed", "failed"].contains(&state.as_str()).then_some(state)
        })
        .await;
        assert_eq!(state, expected);
        assert_eq!(client.delete(&format!("/v1/jobs/{id}")).await.status, 204);
    }
    world.objects_are_gone().await;
    world.queue_is_empty().await;
}

#[tokio::test]
async fn with_no_worker_the_answer_is_503_until_one_is_back() {
    let mut world = World::start().await;
    world.worker(Lane::Transcribe).signal(rustix::process::Signal::TERM);
    world.worker(Lane::Transcribe).end(SOON).await;
    let refused = world.client().transcribe_file(&clip().path(), &[]).await;
    assert!(refused.refused(503).contains("no transcribe worker"));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(world.client().get("/health").await.ok()["status"], "unavailable");
    world.objects_are_gone().await;
    world.start_worker(Lane::Transcribe, &[]);
    wait::until("the worker to be back", SOON, async || {
        (world.client().get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(world.client().transcribe_file(&clip().path(), &[]).await.status, 200);
}

/// Waits until the transcription of a job, by its number in order of age, is in this state.
async fn stage_becomes(world: &World, number: usize, state: StageState) {
    let store = world.store().await;
    wait::until("the stage's state", SOON, async || {
        let id = rows::jobs(world).await.get(number)?.parse().unwrap();
        let stages = store.stages(id).await.unwrap();
        stages.iter().any(|s| s.kind == StageKind::Transcribe && s.state == state).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_is_answered_503() {
    let world = Plan::default()
        .set("STENO_FAILPOINTS", "transcribe.claimed=sleep(6000)")
        .set("STENO_LEASE", "60s")
        .set("STENO_QUEUE_LIMIT", "1")
        .set("STENO_TRANSCRIBE_SLOTS", "1")
        .start()
        .await;
    let send = || {
        let client = world.client();
        tokio::spawn(async move { client.transcribe_file(&clip().path(), &[]).await })
    };
    // One runs, one waits: the queue is full.
    let running = send();
    stage_becomes(&world, 0, StageState::Running).await;
    let waiting = send();
    stage_becomes(&world, 1, StageState::Queued).await;
    let refused = world.client().transcribe_file(&clip().path(), &[]).await;
    assert!(refused.refused(503).contains("waiting already"), "{}", refused.body);
    assert_eq!(refused.json()["code"], "queue_full");
    assert_eq!(refused.header("retry-after"), "30");
    for answer in [running.await.unwrap(), waiting.await.unwrap()] {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    tokio::time::timeout(Duration::from_secs(60), world.queue_is_empty()).await.unwrap();
}
