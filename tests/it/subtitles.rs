//! Subtitles and tables over HTTP: every form in every shape, read again, and the report on how well it can be read.

use std::process::Command;

use serde_json::{Value, json};
use steno_shared::id::JobId;
use steno_tests::client::{Answer, Client, answer, form};
use steno_tests::world::{SOON, World};
use steno_tests::{clips, wait};

/// A cue as it stands in a file, times in milliseconds.
#[derive(Debug, Clone, PartialEq)]
struct Cue {
    start: u64,
    end: u64,
    lines: Vec<String>,
}

/// Two speakers: English, Arabic and Japanese, fast and slow, with all that a file's format could take for its own.
fn conversation() -> Value {
    let turns = [
        (
            1,
            0,
            4000,
            "en",
            "Good morning, everybody, and welcome to the weekly meeting of our gardening club.",
        ),
        (2, 4100, 4600, "en", "Thanks."),
        (
            1,
            5000,
            6000,
            "en",
            "Now quickly: dates & figures --> see <b>page 3</b>, then the minutes\tof\nMay.",
        ),
        (2, 9000, 13_000, "ar", "مرحبا بكم. OpenAI شركة جديدة، لكن الميزانية لم تُحدَّد بعد..."),
        (1, 13_000, 16_000, "ar", "WhatsApp أفضل!"),
        (
            2,
            20_000,
            29_000,
            "ja",
            "本日はお忙しい中、お集まりいただきまして、ありがとうございます。「新しい」ですね。",
        ),
        (1, 30_000, 31_000, "en", "https://example.org/a/very/long/address/that/nobody/would/ever/say/aloud"),
    ];
    let segments = turns.map(|(speaker, start, end, language, text)| {
        let speaker = format!("Speaker {speaker}");
        let (start, end) = (f64::from(start) / 1000.0, f64::from(end) / 1000.0);
        json!({"start": start, "end": end, "text": text, "speaker": speaker, "language": language,
               "confidence": 0.9, "words": []})
    });
    let text: Vec<_> = segments.iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    json!({"text": text.join(" "), "language": "en", "language_probability": 1.0, "duration": 33.0,
           "model": "mini", "segments": segments, "speakers": ["Speaker 1", "Speaker 2"],
           "speech_seconds": 20.0, "transcribed_seconds": 20.0, "warnings": []})
}

/// A job that is completed, with the conversation as its transcript.
async fn transcribed(world: &World, client: &Client) -> String {
    let form = form(&clips::heldout()[0].path(), &[("diarize", "false")]);
    let created = answer(client.request(reqwest::Method::POST, "/v1/jobs").multipart(form)).await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    wait::until("the job's end", SOON, async || {
        let job = client.get(&format!("/v1/jobs/{id}?wait=20")).await.ok();
        (job["state"] == "completed").then_some(())
    })
    .await;
    let job = world.store().await.job(id.parse::<JobId>().unwrap()).await.unwrap().unwrap();
    let stored = world.objects().join(job.transcript.unwrap().to_string());
    std::fs::write(stored, conversation().to_string()).unwrap();
    id
}

/// `00:00:00,000` in milliseconds, and nothing else.
fn millis(text: &str, separator: char) -> u64 {
    let (whole, fraction) = text.split_once(separator).unwrap_or_else(|| panic!("{text:?} is no time"));
    let parts: Vec<&str> = whole.split(':').collect();
    assert!(parts.len() == 3 && parts[0].len() >= 2 && fraction.len() == 3, "{text:?} is no time");
    let number = |digits: &str| {
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{text:?} is no time");
        digits.parse::<u64>().unwrap()
    };
    assert!(parts[1..].iter().all(|part| part.len() == 2 && number(part) < 60), "{text:?} is no time");
    ((number(parts[0]) * 60 + number(parts[1])) * 60 + number(parts[2])) * 1000 + number(fraction)
}

/// The cues of the blocks of a file, whose times are written so; any deviation from the format is an error.
fn cues<'a>(blocks: impl Iterator<Item = &'a str>, separator: char) -> Vec<Cue> {
    let cues = blocks.map(|block| {
        let mut lines = block.lines();
        let (start, end) = lines.next().unwrap().split_once(" --> ").unwrap();
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| !line.trim().is_empty()), "{block:?}");
        assert!(lines.iter().all(|line| !line.contains("-->")), "{block:?}");
        Cue { start: millis(start, separator), end: millis(end, separator), lines }
    });
    let cues: Vec<_> = cues.collect();
    assert!(cues.iter().all(|cue| cue.start < cue.end), "{cues:?}");
    assert!(cues.windows(2).all(|pair| pair[0].end <= pair[1].start), "{cues:?}");
    cues
}

fn srt(file: &str) -> Vec<Cue> {
    let whole = file.strip_suffix('\n').filter(|whole| !whole.ends_with('\n'));
    let blocks = whole.unwrap_or_else(|| panic!("{file:?} ends otherwise")).split("\n\n");
    let numbered = blocks.zip(1..).map(|(block, number)| {
        let block = block.strip_prefix(&format!("{number}\n"));
        block.unwrap_or_else(|| panic!("cue {number} has another number in {file}"))
    });
    cues(numbered, ',')
}

fn vtt(file: &str) -> Vec<Cue> {
    let whole = file.strip_prefix("WEBVTT\n\n").and_then(|rest| rest.strip_suffix('\n'));
    let found = cues(whole.unwrap_or_else(|| panic!("{file:?} begins otherwise")).split("\n\n"), '.');
    let plain = |line: &String| plain(line);
    found.into_iter().map(|cue| Cue { lines: cue.lines.iter().map(plain).collect(), ..cue }).collect()
}

/// A line of a vtt without its voice, and with nothing escaped.
fn plain(line: &str) -> String {
    let said = line.strip_prefix("<v Speaker 1>").or(line.strip_prefix("<v Speaker 2>")).unwrap_or(line);
    assert!(!said.contains(['<', '>', '\u{200e}', '\u{200f}']), "{line}");
    let marks = said.replace("&lrm;", "\u{200e}").replace("&rlm;", "\u{200f}");
    let plain = marks.replace("&lt;", "<").replace("&gt;", ">");
    assert_eq!(plain.matches('&').count(), plain.matches("&amp;").count(), "{line}");
    plain.replace("&amp;", "&")
}

/// What is read: no white space, no marks that cannot be seen, no names.
fn letters(text: &str) -> String {
    let text = text.replace("Speaker 1:", "").replace("Speaker 2:", "").replace("-->", "→");
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\u{200e}' | '\u{200f}')).collect()
}

/// The columns of a line: full-width characters count twice, marks on other letters not at all.
fn columns(line: &str) -> usize {
    let of = |c: char| match c {
        '\u{200e}' | '\u{200f}' | '\u{64b}'..='\u{652}' => 0,
        '\u{3000}'..='\u{9fff}' => 2,
        _ => 1,
    };
    line.chars().map(of).sum()
}

async fn read(client: &Client, id: &str, query: &str) -> Answer {
    client.get(&format!("/v1/jobs/{id}/transcript?{query}")).await
}

#[tokio::test]
async fn subtitles_in_every_shape_are_whole_and_within_their_limits() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = transcribed(&world, &client).await;
    let conversation = conversation();
    let said = letters(conversation["text"].as_str().unwrap());
    for (shape, wide, high, longest) in [
        ("", 42, 2, 7000),
        ("&max_chars=32&max_lines=3&min_duration=1.5&max_duration=5", 32, 3, 5000),
        ("&max_chars=10&max_lines=1&max_cps=60", 10, 1, 7000),
        ("&max_chars=200&max_lines=10&min_duration=60&max_duration=60&max_cps=5", 200, 10, 60_000),
        ("&max_chars=20&max_lines=1&min_duration=0.1&max_duration=0.1", 20, 1, 100),
        ("&max_chars=&max_lines=&min_duration=&max_duration=&max_cps=", 42, 2, 7000),
    ] {
        for labels in ["true", "false"] {
            let query = format!("speaker_labels={labels}{shape}");
            let [from_srt, from_vtt] =
                [("srt", srt as fn(&str) -> Vec<Cue>), ("vtt", vtt)].map(|(form, of)| {
                    let (client, id, query) = (client.clone(), id.clone(), format!("format={form}&{query}"));
                    async move {
                        let answer = read(&client, &id, &query).await;
                        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
                        of(&answer.body)
                    }
                });
            for cues in [from_srt.await, from_vtt.await] {
                let lines = cues.iter().flat_map(|cue| &cue.lines);
                let shown: String = lines.clone().map(|line| letters(line)).collect();
                // A name that is split over lines is no name to this test.
                if wide > 10 {
                    assert_eq!(shown, said, "{query}");
                }
                assert!(lines.clone().all(|line| (1..=wide).contains(&columns(line))), "{query}: {cues:?}");
                assert!(cues.iter().all(|cue| cue.lines.len() <= high), "{query}: {cues:?}");
                assert!(cues.iter().all(|cue| cue.end - cue.start <= longest), "{query}: {cues:?}");
                assert!(cues.last().unwrap().end <= 33_000);
            }
        }
    }
}

#[tokio::test]
async fn names_stand_in_every_form_as_it_has_them_and_only_if_wanted() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = transcribed(&world, &client).await;
    let labelled = async |form: &str, labels: &str| {
        read(&client, &id, &format!("format={form}&speaker_labels={labels}")).await.body
    };
    for (form, name, turns) in [
        ("txt", "Speaker 1:", 4),
        ("srt", "Speaker 1:", 4),
        ("vtt", "<v Speaker 1>", 4),
        ("tsv", "\tSpeaker 1:", 4),
    ] {
        let named = labelled(form, "auto").await;
        assert!(named.matches(name).count() >= turns, "{named}");
        assert_eq!(named, labelled(form, "yes").await);
        let clean = labelled(form, "no").await;
        assert!(!clean.contains("Speaker"), "{clean}");
        let read = |file: &str| match form {
            "srt" => {
                srt(file).into_iter().flat_map(|cue| cue.lines).map(|line| letters(&line)).collect::<String>()
            }
            "vtt" => {
                vtt(file).into_iter().flat_map(|cue| cue.lines).map(|line| letters(&line)).collect::<String>()
            }
            _ => letters(file),
        };
        assert_eq!(read(&clean), read(&named), "{form}");
    }
    // Arabic after a Latin name: the player is told, in the file's own way.
    let file = labelled("srt", "on").await;
    assert!(file.contains("\n\u{200f}Speaker 2: مرحبا بكم."), "{file}");
    assert!(labelled("vtt", "on").await.contains("\n<v Speaker 1>&rlm;WhatsApp أفضل!\n"));
    assert!(!labelled("txt", "on").await.contains('\u{200f}'));
}

#[tokio::test]
async fn a_table_has_a_row_for_each_segment() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = transcribed(&world, &client).await;
    let answer = read(&client, &id, "format=TSV&speaker_labels=false").await;
    assert_eq!(answer.header("content-type"), "text/tab-separated-values; charset=utf-8");
    assert!(answer.header("content-disposition").ends_with(".tsv\""), "{:?}", answer.headers);
    let rows: Vec<Vec<&str>> = answer.body.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["start", "end", "text"]);
    assert_eq!(rows[2], ["4100", "4600", "Thanks."]);
    assert_eq!(rows[3][2], "Now quickly: dates & figures --> see <b>page 3</b>, then the minutes of May.");
    assert!(rows.len() == 8 && rows.iter().all(|row| row.len() == 3), "{rows:?}");
}

#[tokio::test]
async fn the_report_says_what_can_be_seen_in_the_file() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = transcribed(&world, &client).await;
    for shape in ["", "max_chars=20&max_lines=1&max_cps=10&speaker_labels=off&min_duration=2"] {
        let report = client.get(&format!("/v1/jobs/{id}/transcript/quality?{shape}")).await.ok();
        let cues = srt(&read(&client, &id, &format!("format=srt&{shape}")).await.body);
        let rate = |cue: &Cue| {
            let columns: usize = cue.lines.iter().map(|line| columns(line)).sum();
            columns as f64 * 1000.0 / (cue.end - cue.start) as f64
        };
        let limit = |name: &str| report["limits"][name].as_f64().unwrap();
        assert_eq!(report["cues"], json!(cues.len()));
        let fast = cues.iter().filter(|cue| rate(cue) > limit("max_cps")).count();
        assert!(fast > 0);
        assert_eq!(report["cps"]["over"], json!(fast), "{report}");
        let fastest = cues.iter().map(rate).fold(0.0, f64::max);
        assert!((report["cps"]["max"].as_f64().unwrap() - fastest).abs() < 0.01, "{report}");
        let seconds = |cue: &Cue| (cue.end - cue.start) as f64 / 1000.0;
        let short = cues.iter().filter(|cue| seconds(cue) < limit("min_duration")).count();
        assert_eq!((&report["durations"]["short"], &report["durations"]["long"]), (&json!(short), &json!(0)));
        assert_eq!((&report["overlaps"], &report["lines"]["over"]), (&json!(0), &json!(0)));
        let longest = cues.windows(2).map(|pair| pair[1].start - pair[0].end).max().unwrap();
        assert_eq!(report["gaps"]["longest"], json!(longest as f64 / 1000.0));
        let worst = report["worst"].as_array().unwrap();
        assert!((1..=10).contains(&worst.len()));
        for cue in worst {
            let index = usize::try_from(cue["index"].as_u64().unwrap()).unwrap();
            assert_eq!(cue["start"], json!(cues[index - 1].start as f64 / 1000.0), "{cue}");
            let reasons = cue["reasons"].as_array().unwrap();
            let too_fast = reasons.contains(&json!("too_fast"));
            assert_eq!(too_fast, rate(&cues[index - 1]) > limit("max_cps"), "{cue}");
            assert!(!reasons.is_empty());
        }
    }
    let stranger = world.keyed_client().await;
    assert_eq!(stranger.get(&format!("/v1/jobs/{id}/transcript/quality")).await.refused(404), "no such job");
    assert_eq!(client.get("/v1/jobs/nonsense/transcript/quality").await.refused(404), "no such job");
}

#[tokio::test]
async fn a_shape_that_cannot_be_is_refused_with_the_name_of_the_option() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = transcribed(&world, &client).await;
    for (query, says) in [
        ("max_chars=9", "max_chars must be a whole number from 10 to 200, not \"9\""),
        ("max_chars=201", "max_chars"),
        ("max_chars=4e1", "max_chars"),
        ("max_lines=11", "max_lines must be a whole number from 1 to 10"),
        ("max_lines=-1", "max_lines"),
        ("min_duration=0.05", "min_duration must be a number of seconds from 0.1 to 60"),
        ("max_duration=61", "max_duration must be a number of seconds from 0.1 to 60"),
        ("max_duration=NaN", "max_duration"),
        (
            "min_duration=3&max_duration=2.5",
            "min_duration must not be greater than max_duration: 3 is greater than 2.5",
        ),
        ("min_duration=7.5", "greater than max_duration"),
        ("max_cps=61", "max_cps must be a whole number from 5 to 60"),
        ("speaker_labels=perhaps", "speaker_labels"),
    ] {
        for path in ["transcript?format=srt&", "transcript/quality?"] {
            let refused = client.get(&format!("/v1/jobs/{id}/{path}{query}")).await;
            assert!(refused.refused(400).contains(says), "{query}: {}", refused.body);
            assert_eq!(refused.json()["code"], "invalid_field");
        }
        if query.contains('&') {
            continue;
        }
        let (name, value) = query.split_once('=').unwrap();
        let file = clips::heldout()[0].path();
        for path in ["/v1/jobs", "/v1/transcribe"] {
            let request = client.request(reqwest::Method::POST, path);
            let refused = answer(request.multipart(form(&file, &[(name, value)]))).await;
            assert!(refused.refused(400).contains(says), "{path}, {query}: {}", refused.body);
        }
    }
    assert!(read(&client, &id, "format=docx").await.refused(400).contains("json, txt, srt, vtt or tsv"));
    let jobs = client.get("/v1/jobs").await.ok();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1, "a refused request left a job");
}

/// What the libraries that others use make of the files.
#[tokio::test]
async fn other_programs_read_the_same_cues() {
    let world = World::start().await;
    let client = world.keyed_client().await;
    let id = transcribed(&world, &client).await;
    let folder = tempfile::TempDir::new().unwrap();
    let python = clips::root().join("target/python/bin/python");
    assert!(python.is_file(), "{} is missing; run: scripts/python.sh", python.display());
    let real = [("response_format", "srt"), ("max_chars", "24"), ("max_lines", "1"), ("max_duration", "3")];
    let real = client.transcribe_file(&clips::briefing().0, &real).await.body;
    let lines = srt(&real).into_iter().flat_map(|cue| cue.lines);
    assert!(lines.clone().count() > 10 && lines.clone().all(|line| columns(&line) <= 24), "{real}");
    let files = [
        ("real.srt", real),
        ("made.srt", read(&client, &id, "format=srt").await.body),
        ("made.vtt", read(&client, &id, "format=vtt").await.body),
    ];
    for (name, file) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, &file).unwrap();
        let script = clips::root().join("tests/python/read_subtitles.py");
        let output = Command::new(&python).arg(script).arg(&path).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let read: Vec<(u64, u64, String)> = serde_json::from_slice(&output.stdout).unwrap();
        let cues = if name.ends_with("srt") { srt(&file) } else { vtt(&file) };
        assert_eq!(read.len(), cues.len(), "{name}");
        for ((start, end, text), cue) in read.into_iter().zip(&cues) {
            assert_eq!((start, end), (cue.start, cue.end), "{name}");
            let lines = cue.lines.join("\n");
            if name.ends_with("srt") {
                // pysubs2 takes tags out.
                assert_eq!(text, lines.replace("<b>", "").replace("</b>", ""), "{name}");
            } else {
                assert_eq!(text.lines().map(plain).collect::<Vec<_>>(), cue.lines, "{name}");
            }
        }
    }
}
