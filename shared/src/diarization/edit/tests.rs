//! Names, merged speakers and other numbers of them.

use super::super::label::{Heard, labelled};
use super::super::tests::diarization;
use super::*;
use crate::transcript::sample::{of, said};

/// Four people, one after the other, with as many words as their numbers.
fn four(edits: &SpeakerEdits) -> Labelled {
    let segments = vec![
        said("", "One.", 0, 1000),
        said("", "Two two.", 2000, 4000),
        said("", "Three three three.", 5000, 8000),
        said("", "Four four four four.", 10_000, 14_000),
    ];
    let turns = [(0, 0, 1000), (1, 2000, 4000), (2, 5000, 8000), (3, 10_000, 14_000)];
    labelled(of("en", segments), Heard::Turns(&diarization(&turns)), edits)
}

fn change(names: &[(&str, Option<&str>)], merge: &[&[&str]], split: &[&str]) -> SpeakerChange {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    SpeakerChange {
        names: names.iter().map(|(of, name)| ((*of).to_owned(), name.map(str::to_owned))).collect(),
        merge: merge.iter().map(|names| owned(names)).collect(),
        split: owned(split),
    }
}

fn changed(edits: &SpeakerEdits, change: &SpeakerChange) -> SpeakerEdits {
    let changed = edits.with(change, &four(edits)).unwrap();
    let stored = serde_json::to_string(&changed).unwrap();
    assert_eq!(serde_json::from_str::<SpeakerEdits>(&stored).unwrap(), changed);
    changed
}

/// What the segments' speakers are called.
fn shown(edits: &SpeakerEdits) -> Vec<String> {
    four(edits).transcript.segments.into_iter().filter_map(|segment| segment.speaker).collect()
}

#[test]
fn a_speaker_can_be_named_and_renamed_and_lose_the_name() {
    let none = SpeakerEdits::default();
    let named =
        changed(&none, &change(&[("Speaker 1", Some(" Anna ")), ("speaker 3", Some("Zoë 3"))], &[], &[]));
    assert_eq!(shown(&named), ["Anna", "Speaker 2", "Zoë 3", "Speaker 4"]);
    assert_eq!(four(&named).transcript.speakers, ["Anna", "Speaker 2", "Zoë 3", "Speaker 4"]);
    let words = four(&named).transcript.segments.remove(2).words;
    assert!(words.iter().all(|word| word.speaker.as_deref() == Some("Zoë 3")));
    // By label or by name; two may change places.
    let swapped = changed(&named, &change(&[("Anna", Some("Zoë 3")), ("Speaker 3", Some("Anna"))], &[], &[]));
    assert_eq!(shown(&swapped), ["Zoë 3", "Speaker 2", "Anna", "Speaker 4"]);
    for nothing in [None, Some(""), Some("  "), Some("Speaker 1")] {
        let bare = changed(&named, &change(&[("Anna", nothing)], &[], &[]));
        assert_eq!(shown(&bare), ["Speaker 1", "Speaker 2", "Zoë 3", "Speaker 4"], "{nothing:?}");
    }
    let again = changed(&named, &change(&[("Speaker 1", Some("Anna"))], &[], &[]));
    assert_eq!(again, named);
}

#[test]
fn merged_speakers_have_the_first_ones_label_and_others_keep_theirs() {
    let none = SpeakerEdits::default();
    let merge = change(&[], &[&["Speaker 2", "Speaker 1"]], &[]);
    let merged = changed(&none, &merge);
    assert_eq!(shown(&merged), ["Speaker 1", "Speaker 1", "Speaker 3", "Speaker 4"]);
    let speaker = &four(&merged).speakers[0];
    assert_eq!((&speaker.merged, speaker.words, speaker.speech.0), (&vec![2], 3, 3000));
    // A request that is sent again changes nothing more.
    assert_eq!(changed(&merged, &merge), merged);
    // The merged one is still meant by its label; more can be merged, and lists that touch are one.
    let named = changed(&merged, &change(&[("Speaker 2", Some("Anna"))], &[], &[]));
    assert_eq!(shown(&named), ["Anna", "Anna", "Speaker 3", "Speaker 4"]);
    let all = changed(&named, &change(&[], &[&["Speaker 4", "Anna"], &["Speaker 3", "Speaker 4"]], &[]));
    assert_eq!(shown(&all), ["Anna"; 4]);
    assert_eq!(all.merged.len(), 1);
    let apart = changed(&all, &change(&[], &[], &["Speaker 3"]));
    assert_eq!(shown(&apart), ["Anna", "Anna", "Speaker 3", "Anna"]);
    let apart = changed(&all, &change(&[], &[], &["Anna"]));
    assert_eq!(shown(&apart), ["Anna", "Speaker 2", "Speaker 3", "Speaker 4"]);
    assert!(apart.merged.is_empty());
}

#[test]
fn two_of_one_name_are_one_speaker() {
    let none = SpeakerEdits::default();
    let one = changed(&none, &change(&[("Speaker 4", Some("Anna")), ("Speaker 2", Some("Anna"))], &[], &[]));
    assert_eq!(shown(&one), ["Speaker 1", "Anna", "Speaker 3", "Anna"]);
    assert_eq!(four(&one).speakers.len(), 3);
    let named = changed(&none, &change(&[("Speaker 3", Some("Anna"))], &[], &[]));
    let merged = changed(
        &named,
        &change(&[("Speaker 1", Some("Bea")), ("Speaker 3", None)], &[&["Speaker 1", "Speaker 3"]], &[]),
    );
    assert_eq!(shown(&merged), ["Bea", "Speaker 2", "Bea", "Speaker 4"]);
    let kept = changed(&named, &change(&[], &[&["Speaker 1", "Speaker 3"]], &[]));
    assert_eq!(shown(&kept), ["Anna", "Speaker 2", "Anna", "Speaker 4"]);
}

#[test]
fn what_nobody_is_called_and_what_nobody_can_be_called_is_refused() {
    let named = changed(&SpeakerEdits::default(), &change(&[("Speaker 1", Some("Anna"))], &[], &[]));
    let refused = |change: &SpeakerChange| named.with(change, &four(&named)).unwrap_err().to_string();
    let unknown = refused(&change(&[("Speaker 5", Some("Bea"))], &[], &[]));
    assert_eq!(
        unknown,
        "there is no speaker \"Speaker 5\"; the speakers are Speaker 1 (Anna), Speaker 2, Speaker 3, Speaker 4"
    );
    for (name, of) in
        [("", "1"), ("Speaker", "Speaker"), ("Speaker 0", "0"), ("Speaker -1", "-1"), ("anna", "anna")]
    {
        assert!(refused(&change(&[(name, None)], &[], &[])).contains("there is no speaker"), "{name} {of}");
    }
    assert!(refused(&change(&[], &[&["Speaker 1", "Bea"]], &[])).contains("\"Bea\""));
    assert!(refused(&change(&[], &[], &["Bea"])).contains("\"Bea\""));
    assert!(refused(&change(&[], &[&["Speaker 1"]], &[])).contains("two or more"));
    assert!(refused(&change(&[], &[&[]], &[])).contains("two or more"));
    let long = "é".repeat(LONGEST_NAME + 1);
    for name in ["a\nb", "a\tb", "a\u{0}", "a\u{2028}b", "\u{202e}anna", "\u{200b}", &long] {
        let sentence = refused(&change(&[("Speaker 2", Some(name))], &[], &[]));
        assert!(
            sentence.starts_with("the name of Speaker 2 must be 1 to 100 characters"),
            "{name:?}: {sentence}"
        );
    }
    let longest = "é".repeat(LONGEST_NAME);
    assert!(named.with(&change(&[("Speaker 2", Some(&longest))], &[], &[]), &four(&named)).is_ok());
    assert!(refused(&change(&[("Speaker 2", Some("Speaker 3"))], &[], &[])).contains("label of another"));
    assert!(refused(&change(&[("Speaker 2", Some("speaker 9"))], &[], &[])).contains("label of another"));
    let twice = change(&[("Speaker 1", Some("Bea")), ("Anna", Some("Cora"))], &[], &[]);
    assert_eq!(refused(&twice), "Speaker 1 is given two names; give one");
    let silent = labelled(of("en", Vec::new()), Heard::One, &SpeakerEdits::default());
    let nobody = SpeakerEdits::default().with(&change(&[("Speaker 1", None)], &[], &[]), &silent);
    assert_eq!(nobody, Err(EditError::Nobody));
}

#[test]
fn names_go_with_their_owners_time_when_the_voices_are_grouped_anew() {
    let names = change(
        &[("Speaker 1", Some("Anna")), ("Speaker 3", Some("Cora")), ("Speaker 4", Some("Dora"))],
        &[],
        &[],
    );
    let named = changed(&SpeakerEdits::default(), &names);
    let regrouped = |edits: &SpeakerEdits, speakers: Vec<u16>| {
        let count = SpeakerCount::exactly(2);
        let bare = SpeakerEdits { speakers: Some(speakers.clone()), ..SpeakerEdits::default() };
        edits.regrouped(speakers, count, &four(edits), &four(&bare))
    };
    // Cora has less of what is now one speaker than Dora.
    let two = regrouped(&named, vec![7, 7, 2, 2]);
    assert_eq!(shown(&two), ["Anna", "Anna", "Dora", "Dora"]);
    assert_eq!(two.count, Some(SpeakerCount::exactly(2)));
    // Nobody gets two names, and no name is given twice: Anna's one second is in the group of Dora's four.
    let two = regrouped(&named, vec![1, 0, 0, 1]);
    assert_eq!(shown(&two), ["Dora", "Cora", "Cora", "Dora"]);
    // One who was merged is found by all of the time.
    let merged = changed(&named, &change(&[], &[&["Anna", "Speaker 3"]], &[]));
    assert_eq!(shown(&regrouped(&merged, vec![0, 1, 2, 3])), ["Speaker 1", "Speaker 2", "Anna", "Dora"]);
    let one = regrouped(&named, vec![0; 4]);
    assert_eq!(shown(&one), ["Dora"; 4]);
    assert_eq!(four(&one).transcript.segments.len(), 4);
}

#[test]
fn channels_and_a_single_speaker_can_be_named_too() {
    let mut stored = of("en", vec![said("Speaker 1", "One.", 0, 1000), said("Speaker 2", "Two.", 900, 2000)]);
    let none = SpeakerEdits::default();
    let before = labelled(stored.clone(), Heard::Labels, &none);
    let named = none.with(&change(&[("Speaker 2", Some("Bea"))], &[], &[]), &before).unwrap();
    let found = labelled(stored.clone(), Heard::Labels, &named).transcript;
    assert_eq!(found.speakers, ["Speaker 1", "Bea"]);
    assert_eq!(found.segments[1].words[0].speaker.as_deref(), Some("Bea"));
    let one = none.with(&change(&[], &[&["Speaker 1", "Speaker 2"]], &[]), &before).unwrap();
    assert_eq!(labelled(stored.clone(), Heard::Labels, &one).transcript.speakers, ["Speaker 1"]);
    stored.speakers.clear();
    let alone = labelled(stored.clone(), Heard::One, &none);
    let named = none.with(&change(&[("Speaker 1", Some("Anna"))], &[], &[]), &alone).unwrap();
    assert_eq!(labelled(stored, Heard::One, &named).transcript.speakers, ["Anna"]);
}

#[test]
fn groups_of_another_diarization_do_not_count() {
    let edits = SpeakerEdits { speakers: Some(vec![0, 0, 0]), ..SpeakerEdits::default() };
    assert_eq!(four(&edits).speakers.len(), 4);
    assert_eq!(serde_json::from_str::<SpeakerEdits>("{}").unwrap(), SpeakerEdits::default());
    assert_eq!(serde_json::to_string(&SpeakerEdits::default()).unwrap(), "{}");
}
