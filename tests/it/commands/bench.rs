//! `steno bench`: without a server, on the executables beside it.

use super::*;

const NO_SERVER: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn a_machine_measures_itself_stage_by_stage() {
    let desk = Desk::new();
    let arguments = ["bench", "--threads", "1,2", "--at-once", "1,2", "--language", "en"];
    let done = desk.run(NO_SERVER, &[&arguments[..], &["--json"]].concat()).await;
    done.ok();
    let document = done.document();
    assert_eq!((&document["model"], &document["recording"]), (&json!("mini"), &json!("briefing.flac")));
    assert_eq!(document["load_average"].as_array().unwrap().len(), 3);
    let stages = document["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, [&["intake", "speech_detection"][..], &["transcription"; 4]].concat());
    for stage in stages {
        for name in ["audio_s", "cpu_s", "wall_s", "audio_s_per_cpu_s", "audio_s_per_wall_s"] {
            assert!(stage[name].as_f64().unwrap() > 0.0, "{name} of {stage}");
        }
    }
    let setups: Vec<_> = stages[2..].iter().map(|stage| (&stage["threads"], &stage["at_once"])).collect();
    let setups: Vec<_> =
        setups.iter().map(|(one, two)| (one.as_u64().unwrap(), two.as_u64().unwrap())).collect();
    assert_eq!(setups, [(1, 1), (1, 2), (2, 1), (2, 2)]);
    for stage in &stages[2..] {
        let length = 36.0 * stage["at_once"].as_f64().unwrap();
        assert!((stage["audio_s"].as_f64().unwrap() - length).abs() < 1.0, "{stage}");
        let memory = |name: &str| stage[name].as_u64().unwrap();
        assert!(memory("peak_memory_bytes") > memory("model_memory_bytes"), "{stage}");
        assert!(memory("model_memory_bytes") > 5 << 20, "{stage}");
    }

    std::fs::copy(clips::heldout()[0].path(), desk.path("talk.flac")).unwrap();
    let table = desk.run(NO_SERVER, &["bench", "talk.flac", "--threads", "1"]).await;
    for part in ["talk.flac", "load average", "audio s/CPU s", "speech detection", "MiB"] {
        assert!(table.ok().contains(part), "no {part} in {}", table.out);
    }
}

#[tokio::test]
async fn what_cannot_be_measured_is_said_in_a_sentence() {
    let desk = Desk::new();
    desk.file("page.mp3", b"%PDF-1.7 not audio at all, however it is named");
    for (arguments, sentence) in [
        (
            &["--model", "small"][..],
            "the model small is not installed; `steno models pull small` installs it",
        ),
        (&["--model", "gigantic"], "unknown model \"gigantic\"; there are "),
        (&["--language", "klingon"], "language"),
        (&["page.mp3"], "the file is a PDF document, not audio or video"),
        (&["none.mp3"], "cannot open none.mp3"),
    ] {
        let done = desk.run(NO_SERVER, &[&["bench", "--threads", "1", "--json"], arguments].concat()).await;
        assert!(done.failed(1).contains(sentence), "{arguments:?}: {}", done.err);
        assert!(done.document()["error"].as_str().unwrap().contains(sentence), "{}", done.out);
    }
    for wrong in [["--threads", "0"], ["--threads", "many"], ["--at-once", "1,,2"]] {
        let done = desk.run(NO_SERVER, &[&["bench"], &wrong[..]].concat()).await;
        assert_eq!(done.status, 2, "{wrong:?}: {}", done.err);
    }
}
