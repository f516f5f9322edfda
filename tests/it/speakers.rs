//! `/v1/jobs/{id}/speakers`: who they are, what they are called, and what every form of the transcript makes of it.

use reqwest::Method;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use steno_shared::catalog::ModelId;
use steno_shared::diarization::{Diarization, Embedding, SpeakerCount, Turn, Voice, cluster};
use steno_shared::id::JobId;
use steno_shared::object::ObjectKey;
use steno_shared::time::Millis;
use steno_tests::client::{Answer, Client, answer, form};
use steno_tests::world::{Plan, SOON, World};
use steno_tests::{clips, wait};

/// Who says what, from when to when in milliseconds. The first two speak in one segment of the transcript.
const TURNS: [(u32, u64, u64, &str); 4] = [
    (0, 0, 4000, "Good morning, everybody & welcome."),
    (1, 4000, 8000, "Thanks, it is good to be here."),
    (2, 9000, 13_000, "I have the figures for <b>May</b>."),
    (3, 14_000, 19_000, "Then let us begin with those."),
];

/// The last voice is the first one's, and the third is more like it than the second.
const VOICES: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.8, 0.0, 0.6], [0.995, 0.099_874_92, 0.0]];

fn words(text: &str, start: u64, end: u64) -> Vec<Value> {
    let written: Vec<&str> = text.split(' ').collect();
    let time = |index: usize| (start + (end - start) * index as u64 / written.len() as u64) as f64 / 1000.0;
    let word = |(index, text): (usize, &&str)| {
        json!({"word": text.trim_matches(|c: char| !c.is_alphanumeric()), "punctuated_word": text,
               "start": time(index), "end": time(index + 1), "confidence": 0.9})
    };
    written.iter().enumerate().map(word).collect()
}

fn segment(turns: &[(u32, u64, u64, &str)]) -> Value {
    let text: Vec<_> = turns.iter().map(|turn| turn.3).collect();
    let words: Vec<_> = turns.iter().flat_map(|(_, start, end, text)| words(text, *start, *end)).collect();
    let (start, end) = (turns[0].1 as f64 / 1000.0, turns[turns.len() - 1].2 as f64 / 1000.0);
    json!({"start": start, "end": end, "text": text.join(" "), "confidence": 0.9, "words": words})
}

fn transcript() -> Value {
    let segments = [segment(&TURNS[..2]), segment(&TURNS[2..3]), segment(&TURNS[3..])];
    let text: Vec<_> = TURNS.iter().map(|turn| turn.3).collect();
    json!({"text": text.join(" "), "language": "en", "language_probability": 1.0, "duration": 20.0,
           "model": "mini", "segments": segments, "speakers": [], "speech_seconds": 17.0,
           "transcribed_seconds": 17.0, "warnings": []})
}

/// Three people.
fn diarization() -> Diarization {
    let turn = |(voice, start, end, _): (u32, u64, u64, &str)| Turn {
        start: Millis(start),
        end: Millis(end),
        voice,
    };
    let voice = |embedding: [f32; 3]| Voice {
        speech: Millis(4000),
        chunk: 0,
        embedding: Embedding(embedding.to_vec()),
    };
    Diarization {
        segmentation: ModelId::from("mini-segmentation"),
        embedding: ModelId::from("mini-embedding"),
        threshold: 0.1,
        turns: TURNS.map(turn).to_vec(),
        voices: VOICES.map(voice).to_vec(),
        speakers: vec![0, 1, 2, 0],
        warnings: Vec::new(),
    }
}

async fn created(client: &Client, fields: &[(&str, &str)]) -> Answer {
    let form = form(&clips::heldout()[0].path(), fields);
    answer(client.request(Method::POST, "/v1/jobs").multipart(form)).await
}

async fn completed(client: &Client, fields: &[(&str, &str)]) -> String {
    let created = created(client, fields).await;
    let id = created.json()["id"].as_str().unwrap_or_else(|| panic!("{}", created.body)).to_owned();
    wait::until("the job's end", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{id}?wait=20")).await.ok();
        (job["state"] == "completed").then_some(())
    })
    .await;
    id
}

fn write(world: &World, key: ObjectKey, content: &Value) {
    let path = world.objects().join(key.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content.to_string()).unwrap();
}

/// A completed job in which these have found the transcript and the speakers, in place of the engines.
async fn conversation(world: &World, client: &Client, diarization: Option<&Diarization>) -> String {
    let id = completed(client, &[("diarize", "false")]).await;
    let store = world.store().await;
    let job = store.job(id.parse::<JobId>().unwrap()).await.unwrap().unwrap();
    write(world, job.transcript.unwrap(), &transcript());
    let key = ObjectKey::diarization(job.id, 1);
    if let Some(diarization) = diarization {
        write(world, key, &serde_json::to_value(diarization).unwrap());
    }
    let mut options = job.options;
    options.diarize = true;
    let connection = store.connection();
    let statement = Statement::from_sql_and_values(
        connection.get_database_backend(),
        "UPDATE job SET options = $2, diarization_key = $3 WHERE id = $1",
        [
            id.clone().into(),
            serde_json::to_string(&options).unwrap().into(),
            diarization.map(|_| key.to_string()).into(),
        ],
    );
    connection.execute_raw(statement).await.unwrap();
    id
}

async fn speakers(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/jobs/{id}/speakers")).await.ok()
}

async fn edit(client: &Client, id: &str, change: Value) -> Answer {
    answer(client.request(Method::PATCH, &format!("/v1/jobs/{id}/speakers")).json(&change)).await
}

/// The speakers after a change that is made.
async fn edited(client: &Client, id: &str, change: Value) -> Value {
    edit(client, id, change).await.ok()
}

async fn read(client: &Client, id: &str, format: &str) -> Answer {
    client.get(&format!("/v1/jobs/{id}/transcript?format={format}")).await
}

/// Who says each segment.
async fn said_by(client: &Client, id: &str) -> Vec<String> {
    let transcript = read(client, id, "json").await.ok();
    let segments = transcript["segments"].as_array().unwrap();
    for segment in segments {
        for word in segment["words"].as_array().unwrap() {
            assert_eq!(word["speaker"], segment["speaker"], "{word}");
        }
    }
    segments.iter().map(|segment| segment["speaker"].as_str().unwrap_or("nobody").to_owned()).collect()
}

fn labels(document: &Value) -> Vec<&str> {
    document["speakers"].as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn speakers_can_be_named_and_every_form_follows() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = conversation(&world, &client, Some(&diarization())).await;
    let before = speakers(&client, &id).await;
    assert_eq!(
        before["speakers"],
        json!([{"label": "Speaker 1", "speech_seconds": 9.0, "words": 11},
               {"label": "Speaker 2", "speech_seconds": 4.0, "words": 7},
               {"label": "Speaker 3", "speech_seconds": 4.0, "words": 6}])
    );
    assert_eq!(before["turns"][1], json!({"start": 4.0, "end": 8.0, "speaker": "Speaker 2"}));
    assert_eq!(before["count"], json!({"min_speakers": 1, "max_speakers": 32, "found": 3}));
    assert_eq!(said_by(&client, &id).await, ["Speaker 1", "Speaker 2", "Speaker 3", "Speaker 1"]);

    let change = json!({"names": {"Speaker 1": " Anna & <Co> ", "Speaker 2": "Björn"}});
    let named = edited(&client, &id, change.clone()).await;
    assert_eq!(
        (&named["speakers"][0]["name"], &named["speakers"][1]["name"]),
        (&json!("Anna & <Co>"), &json!("Björn"))
    );
    assert!(named["speakers"][2].get("name").is_none(), "{named}");
    assert_eq!(named["turns"][3]["speaker"], "Anna & <Co>");
    assert_eq!(speakers(&client, &id).await, named);
    assert_eq!(edited(&client, &id, change).await, named, "sent again");

    let json = read(&client, &id, "json").await.ok();
    assert_eq!(json["speakers"], json!(["Anna & <Co>", "Björn", "Speaker 3"]));
    assert_eq!(json["text"], transcript()["text"]);
    let texts: Vec<_> = json["segments"].as_array().unwrap().iter().map(|one| &one["text"]).collect();
    assert_eq!(texts, TURNS.map(|turn| turn.3));
    for (format, lines) in [
        (
            "txt",
            [
                "Anna & <Co>: Good morning, everybody & welcome.\n",
                "\nBjörn: Thanks, it is good to be here.\n",
            ],
        ),
        (
            "srt",
            [
                "\nAnna & <Co>: Good morning,\neverybody & welcome.\n",
                "\nBjörn: Thanks, it is good to be here.\n",
            ],
        ),
        (
            "vtt",
            ["\n<v Anna &amp; &lt;Co&gt;>Good morning, everybody &amp; welcome.\n", "\n<v Björn>Thanks,"],
        ),
        ("tsv", ["0\t4000\tAnna & <Co>: Good morning,", "4000\t8000\tBjörn: Thanks, "]),
    ] {
        let file = format!("\n{}", read(&client, &id, format).await.body);
        assert!(lines.iter().all(|line| file.contains(line)), "{file}");
        assert!(!file.contains("Speaker 1") && file.contains("Speaker 3"), "{file}");
    }
    let clean = client.get(&format!("/v1/jobs/{id}/transcript?format=srt&speaker_labels=false")).await.body;
    assert!(!clean.contains("Anna") && !clean.contains("Speaker"), "{clean}");

    // By name, and back to the label, in every way to say that.
    for nothing in [json!(null), json!(""), json!("Speaker 2")] {
        let renamed = edited(&client, &id, json!({"speakers": {"Speaker 2": "Björn"}})).await;
        assert_eq!(renamed, named);
        let bare = edited(&client, &id, json!({"names": {"Björn": nothing}})).await;
        assert!(bare["speakers"][1].get("name").is_none(), "{bare}");
        assert_eq!(said_by(&client, &id).await[1], "Speaker 2");
    }
}

#[tokio::test]
async fn speakers_can_be_merged_and_taken_apart() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = conversation(&world, &client, Some(&diarization())).await;
    for _ in 0..2 {
        let merged = edited(&client, &id, json!({"merge": [["Speaker 2", "Speaker 1"]]})).await;
        assert_eq!(labels(&merged), ["Speaker 1", "Speaker 3"], "a label is the same person's all the time");
        assert_eq!(merged["speakers"][0]["merged"], json!(["Speaker 2"]));
        assert_eq!((&merged["speakers"][0]["words"], &merged["count"]["found"]), (&json!(18), &json!(3)));
        assert_eq!(said_by(&client, &id).await, ["Speaker 1", "Speaker 3", "Speaker 1"]);
    }
    assert!(
        read(&client, &id, "txt")
            .await
            .body
            .starts_with("Speaker 1: Good morning, everybody & welcome. Thanks,")
    );
    // The one that was merged is still meant by its label, and two of one name are one.
    let named = edited(&client, &id, json!({"names": {"Speaker 2": "Anna", "Speaker 3": "Anna"}})).await;
    assert_eq!(
        named["speakers"],
        json!([{"label": "Speaker 1", "name": "Anna", "merged": ["Speaker 2", "Speaker 3"],
                                          "speech_seconds": 17.0, "words": 24}])
    );
    let text = read(&client, &id, "txt").await.body;
    assert_eq!(text.trim_end(), transcript()["text"], "one speaker is not named unless it is asked for");
    let apart = edited(&client, &id, json!({"split": ["Speaker 1"]})).await;
    assert_eq!(labels(&apart), ["Speaker 1", "Speaker 2", "Speaker 3"]);
    assert_eq!(said_by(&client, &id).await, ["Anna", "Speaker 2", "Speaker 3", "Anna"]);
}

#[tokio::test]
async fn the_voices_are_grouped_into_another_number_at_once_and_names_go_along() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = conversation(&world, &client, Some(&diarization())).await;
    edited(&client, &id, json!({"names": {"Speaker 2": "Björn", "Speaker 3": "Cora"}})).await;
    let two = edited(&client, &id, json!({"speakers": 2, "names": {"Speaker 1": "Anna"}})).await;
    assert_eq!(two["count"], json!({"min_speakers": 2, "max_speakers": 2, "found": 2}));
    assert_eq!(said_by(&client, &id).await, ["Anna", "Björn", "Anna", "Anna"]);
    edited(&client, &id, json!({"merge": ["Anna", "Björn"]})).await;
    let one = edited(&client, &id, json!({"max_speakers": 1})).await;
    assert_eq!(labels(&one), ["Speaker 1"]);
    let three = edited(&client, &id, json!({"speakers": "3"})).await;
    assert_eq!(labels(&three), ["Speaker 1", "Speaker 2", "Speaker 3"]);
    assert_eq!(said_by(&client, &id).await, ["Anna", "Speaker 2", "Speaker 3", "Anna"]);
    // As many as there are voices, and then as found out.
    let all = edited(&client, &id, json!({"min_speakers": 4})).await;
    assert_eq!(all["count"], json!({"min_speakers": 4, "max_speakers": 32, "found": 4}));
    let auto = edited(&client, &id, json!({"speakers": 0})).await;
    assert_eq!(auto["count"]["max_speakers"], 32);
    let Diarization { turns, voices, threshold, .. } = diarization();
    let grouped = cluster(&turns, &voices, threshold, SpeakerCount::AUTO);
    assert_eq!(labels(&auto).len(), usize::from(grouped.iter().max().unwrap() + 1));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_the_reason() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = conversation(&world, &client, Some(&diarization())).await;
    edited(&client, &id, json!({"names": {"Speaker 1": "Anna"}})).await;
    let before = speakers(&client, &id).await;
    for (change, says) in [
        (
            json!({"names": {"Speaker 4": "Dora"}}),
            "there is no speaker \"Speaker 4\"; the speakers are Speaker 1 (Anna), Speaker 2, Speaker 3",
        ),
        (json!({"names": {"Björn": "Dora"}}), "there is no speaker \"Björn\""),
        (json!({"merge": [["Speaker 1", "Nobody"]]}), "there is no speaker \"Nobody\""),
        (json!({"merge": [["Speaker 1"]]}), "two or more"),
        (json!({"split": ["Nobody"]}), "there is no speaker \"Nobody\""),
        (json!({"names": {"Speaker 1": "a\nb"}}), "1 to 100 characters on one line"),
        (json!({"names": {"Speaker 1": "a\u{7}"}}), "control characters"),
        (json!({"names": {"Speaker 1": "x".repeat(101)}}), "1 to 100 characters"),
        (json!({"names": {"Speaker 1": "Speaker 2"}}), "label of another"),
        (json!({"names": {"Speaker 1": "Bea", "Anna": "Cora"}}), "two names"),
        (json!({"names": {"Speaker 1": 1}}), "names by labels"),
        (json!({"speakers": 33}), "from 0 (find out) to 32"),
        (json!({"speakers": -1}), "from 0 (find out) to 32"),
        (json!({"min_speakers": 3, "max_speakers": 2}), "min_speakers must not be greater"),
        (json!({"merge": "Speaker 1"}), "list of speakers"),
        (json!({}), "names no change"),
        (json!([]), "names no change"),
    ] {
        let refused = edit(&client, &id, change.clone()).await.refused(400);
        assert!(refused.contains(says), "{change}: {refused}");
    }
    let path = format!("/v1/jobs/{id}/speakers");
    for body in ["{", "", &format!("{{\"names\": {{\"Speaker 1\": \"{}\"}}}}", "x".repeat(70_000))] {
        let request = client.request(Method::PATCH, &path).header("content-type", "application/json");
        let refused = answer(request.body(body.to_owned())).await.refused(400);
        assert!(refused.contains("not JSON") || refused.contains("64 KiB"), "{refused}");
    }
    assert_eq!(speakers(&client, &id).await, before, "nothing of it was done");

    let stranger = world.keyed_client().await;
    assert_eq!(stranger.get(&path).await.refused(404), "no such job");
    assert_eq!(
        edit(&stranger, &id, json!({"names": {"Speaker 1": "Eve"}})).await.refused(404),
        "no such job"
    );
    assert_eq!(edit(&client, "nonsense", json!({"speakers": 2})).await.refused(404), "no such job");
    assert_eq!(answer(client.request(Method::POST, &path)).await.status, 405);
    assert_eq!(speakers(&client, &id).await, before);
}

#[tokio::test]
async fn a_job_without_speakers_says_what_to_do() {
    let world = Plan::default().set("STENO_FAILPOINTS", "transcribe.claimed=sleep(3000)").start().await;
    let client = world.keyed_client().await;
    let running = created(&client, &[("speakers", "1")]).await.json()["id"].as_str().unwrap().to_owned();
    let early = edit(&client, &running, json!({"names": {"Speaker 1": "Anna"}})).await.refused(409);
    assert!(early.contains("once it is completed"), "{early}");
    assert!(client.get(&format!("/v1/jobs/{running}/speakers")).await.refused(409).contains("not ready"));

    let plain = completed(&client, &[("diarize", "false")]).await;
    assert_eq!(speakers(&client, &plain).await["speakers"], json!([]));
    for change in [json!({"speakers": 2}), json!({"names": {"Speaker 1": "Anna"}})] {
        let refused = edit(&client, &plain, change).await.refused(409);
        assert!(refused.contains("its audio is deleted; send the file again with diarize=true"), "{refused}");
    }
    // Somebody who is known to be alone has a label, and may have a name.
    let alone = completed(&client, &[("speakers", "1"), ("language", "en")]).await;
    assert_eq!(labels(&speakers(&client, &alone).await), ["Speaker 1"]);
    edit(&client, &alone, json!({"names": {"Speaker 1": "Anna"}})).await;
    assert_eq!(read(&client, &alone, "json").await.ok()["speakers"], json!(["Anna"]));
    let refused = edit(&client, &alone, json!({"speakers": 2})).await.refused(409);
    assert!(refused.contains("nothing to count the speakers by"), "{refused}");
}

#[tokio::test]
async fn where_audio_is_kept_the_way_to_voices_is_named() {
    let world = Plan::default().set("STENO_KEEP_AUDIO", "1h").start().await;
    let client = world.keyed_client().await;
    let id = completed(&client, &[("diarize", "false")]).await;
    let refused = edit(&client, &id, json!({"speakers": 2})).await.refused(409);
    assert!(refused.contains(&format!("POST /v1/jobs/{id}/retry?stage=diarize")), "{refused}");
}

#[tokio::test]
async fn edits_at_the_same_time_are_all_made() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = conversation(&world, &client, Some(&diarization())).await;
    let edits =
        (1..=3).flat_map(|speaker| (0..4).map(move |number| (speaker, number))).map(|(speaker, number)| {
            let (client, id) = (client.clone(), id.clone());
            async move {
                let name = format!("Name {number} of {speaker}");
                let names = json!({"names": {format!("Speaker {speaker}"): name}});
                edit(&client, &id, names).await
            }
        });
    futures::future::join_all(edits).await;
    for (index, speaker) in speakers(&client, &id).await["speakers"].as_array().unwrap().iter().enumerate() {
        let name = speaker["name"].as_str().unwrap();
        assert!(name.ends_with(&format!(" of {}", index + 1)), "{speaker}");
    }
}

#[tokio::test]
async fn the_number_of_speakers_has_limits_in_every_kind_of_request() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let fields = [("min_speakers", "2"), ("max_speakers", "4"), ("diarize", "false")];
    let job = created(&client, &fields).await.json();
    assert_eq!(
        (&job["min_speakers"], &job["max_speakers"], &job["speakers"]),
        (&json!(2), &json!(4), &json!(0))
    );
    let plain = created(&client, &[("diarize", "false")]).await.json();
    assert!(plain.get("min_speakers").is_none() && plain["id"] != job["id"], "{plain}");
    for (fields, says) in [
        (
            [("min_speakers", "4"), ("max_speakers", "3")],
            "min_speakers must not be greater than max_speakers",
        ),
        ([("speakers", "5"), ("max_speakers", "3")], "speakers must lie between"),
        ([("min_speakers", "33"), ("speakers", "0")], "min_speakers must be a whole number"),
        ([("max_speakers", "two"), ("speakers", "0")], "max_speakers must be a whole number"),
    ] {
        assert!(created(&client, &fields).await.refused(400).contains(says), "{fields:?}");
        let fields: serde_json::Map<String, Value> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let mut body = Value::Object(fields);
        body["url"] = json!("https://example.org/talk.mp3");
        let refused = answer(client.request(Method::POST, "/v1/jobs").json(&body)).await.refused(400);
        assert!(refused.contains(says), "{body}: {refused}");
    }
    let keyed = async |fields: &[(&str, &str)]| {
        let form = form(&clips::heldout()[0].path(), fields);
        let request = client.request(Method::POST, "/v1/jobs").header("Idempotency-Key", "limits");
        answer(request.multipart(form)).await
    };
    let first = keyed(&fields).await.json()["id"].clone();
    assert_eq!(keyed(&fields).await.json()["id"], first);
    assert!(keyed(&fields[1..]).await.refused(422).contains("other options"));
}

/// Synthetic voices, through the engine.
#[tokio::test]
async fn people_in_a_recording_are_told_apart_named_and_counted_again() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let file = clips::root().join("models/mini-diarization/test/speakers-2-0.opus");
    let answered = client.transcribe_file(&file, &[("speakers", "2")]).await;
    let transcript = answered.ok();
    assert_eq!(transcript["speakers"], json!(["Speaker 1", "Speaker 2"]), "{}", transcript["warnings"]);
    let id = answered.header("x-job-id").to_owned();
    assert_eq!(labels(&speakers(&client, &id).await), ["Speaker 1", "Speaker 2"]);
    let named = edited(&client, &id, json!({"names": {"Speaker 1": "Anna", "Speaker 2": "Bert"}})).await;
    assert_eq!(named.get("warnings"), None);
    assert!(read(&client, &id, "txt").await.body.starts_with("Anna: "));
    let one = edited(&client, &id, json!({"speakers": 1})).await;
    let (kept, lost) = (one["speakers"][0]["name"].as_str().unwrap(), one["warnings"][0].as_str().unwrap());
    assert_eq!((labels(&one), one["warnings"].as_array().unwrap().len()), (vec!["Speaker 1"], 1));
    let other = if kept == "Anna" { "Bert" } else { "Anna" };
    assert!(lost.contains(&format!("the name {other:?} is gone")), "{lost}");
    let two = edited(&client, &id, json!({"speakers": 2})).await;
    assert_eq!(labels(&two), ["Speaker 1", "Speaker 2"]);
    assert_eq!(said_by(&client, &id).await.len(), transcript["segments"].as_array().unwrap().len());
}
