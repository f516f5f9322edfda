//! The frozen test set of the miniature models: how much of the time is given to the wrong speaker, how often their
//! number is right, and whose the words are.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use steno_tests::client::answer;
use steno_tests::conversations::{self, Conversation};
use steno_tests::diarization::{DiarizationError, agreeing, speakers};
use steno_tests::score::{matches, words};
use steno_tests::world::World;

use super::found;

/// The goals, in percent of the speech of conversations: the number of speakers found out, ...
const MOST_WRONG: f64 = 10.0;
/// ... and told.
const MOST_WRONG_OF_KNOWN: f64 = 8.0;
/// How often their number must be right, in percent of the conversations.
const COUNTS_RIGHT: usize = 80;
/// How many of the words of two speakers must be theirs, in percent.
const WORDS_RIGHT: f64 = 95.0;
/// A word that was said further away from where it was heard, in seconds, is another one.
const FAR: f64 = 1.0;
const COLLARS: [f64; 2] = [0.0, 0.25];

/// What was found of conversations of as many people.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    conversations: usize,
    counts_right: usize,
    /// For each collar.
    errors: [DiarizationError; 2],
    words: usize,
    words_right: usize,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.conversations += other.conversations;
        self.counts_right += other.counts_right;
        self.errors.iter_mut().zip(other.errors).for_each(|(sum, error)| *sum += error);
        self.words += other.words;
        self.words_right += other.words_right;
    }

    fn words_percent(&self) -> f64 {
        100.0 * self.words_right as f64 / self.words.max(1) as f64
    }

    #[expect(clippy::print_stdout, reason = "its figures are wanted, with or without a failure")]
    fn print(&self, what: &str) {
        println!(
            "  {what:24} {:2} of {:2} counts right   wrong {:5.1} %, without edges {:5.1} %   words right {:5.1} % of {}",
            self.counts_right,
            self.conversations,
            self.errors[0].percent(),
            self.errors[1].percent(),
            self.words_percent(),
            self.words,
        );
    }
}

/// The true and the found speaker of each word that was heard where it was said.
fn speakers_of_words(conversation: &Conversation, transcript: &Value) -> Vec<(String, String)> {
    let said = conversation.words();
    let segments = transcript["segments"].as_array().unwrap();
    let mut heard: Vec<_> =
        segments.iter().flat_map(|segment| segment["words"].as_array().unwrap()).collect();
    let middle = |word: &Value| f64::midpoint(word["start"].as_f64().unwrap(), word["end"].as_f64().unwrap());
    heard.sort_by(|one, other| middle(one).total_cmp(&middle(other)));
    let plain = |text: &str| words(text).join("");
    let of_said: Vec<_> = said.iter().map(|word| plain(&word.text)).collect();
    let of_heard: Vec<_> = heard.iter().map(|word| plain(word["word"].as_str().unwrap())).collect();
    let found = matches(&of_said, &of_heard).into_iter().map(|(one, other)| (&said[one], heard[other]));
    let near = found.filter(|(said, heard)| (said.middle - middle(heard)).abs() < FAR);
    near.map(|(said, heard)| {
        let speaker = heard["speaker"].as_str().unwrap_or_else(|| panic!("no speaker of {heard}"));
        (said.speaker.clone(), speaker.to_owned())
    })
    .collect()
}

/// What is found of a conversation: the number of speakers found out, and told afterwards.
async fn listen(world: &World, conversation: &Conversation) -> [Sum; 2] {
    let client = world.client();
    let answered = client.transcribe_file(&conversation.path(), &[("language", "en")]).await;
    let job = answered.header("x-job-id").to_owned();
    let mut transcript = answered.ok();
    assert_eq!(transcript["warnings"], json!([]), "{:?}", conversation.path());
    let truth = conversation.turns();
    let mut sums = [Sum::default(); 2];
    for (at, sum) in sums.iter_mut().enumerate() {
        if at == 1 {
            let path = format!("/v1/jobs/{job}/speakers");
            let request = client.request(Method::PATCH, &path);
            let told = json!({"speakers": conversation.speakers()});
            assert_eq!(answer(request.json(&told)).await.status, 200);
            transcript = client.get(&format!("/v1/jobs/{job}/transcript")).await.ok();
        }
        let (turns, count) = found(&client, &job).await;
        assert_eq!(speakers(&turns).len(), count);
        let pairs = speakers_of_words(conversation, &transcript);
        let named: Vec<_> = pairs.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
        *sum = Sum {
            conversations: 1,
            counts_right: usize::from(count == conversation.speakers()),
            errors: COLLARS.map(|collar| DiarizationError::of(&truth, &turns, collar)),
            words: named.len(),
            words_right: agreeing(&named),
        };
        let name = conversation.path().file_stem().unwrap().to_string_lossy().into_owned();
        sum.print(&format!("  {name}{}", ["", ", told"][at]));
    }
    sums
}

#[tokio::test]
async fn the_test_set_is_told_apart_well_enough() {
    let world = World::start().await;
    let mut by_speakers: BTreeMap<usize, [Sum; 2]> = BTreeMap::new();
    for conversation in conversations::test_set() {
        let sums = listen(&world, &conversation).await;
        let of = by_speakers.entry(conversation.speakers()).or_default();
        of.iter_mut().zip(&sums).for_each(|(sum, one)| sum.add(one));
    }
    let mut all = [Sum::default(); 2];
    // One who speaks alone cannot be taken for another: what is wrong there is left out of the sum.
    let mut of_several = all;
    for (at, kind) in ["found out", "told"].into_iter().enumerate() {
        println!("the number of speakers {kind}:");
        for (speakers, sums) in &by_speakers {
            sums[at].print(&format!("{speakers} speakers"));
            all[at].add(&sums[at]);
            if *speakers > 1 {
                of_several[at].add(&sums[at]);
            }
        }
        of_several[at].print("2 and more");
        all[at].print("in all");
    }
    let [found_out, told] = all;
    assert!(found_out.counts_right * 100 >= found_out.conversations * COUNTS_RIGHT, "{found_out:?}");
    assert_eq!(told.counts_right, told.conversations, "{told:?}");
    assert!(of_several[0].errors[0].percent() <= MOST_WRONG, "{:?}", of_several[0]);
    assert!(of_several[1].errors[0].percent() <= MOST_WRONG_OF_KNOWN, "{:?}", of_several[1]);
    let of_two = &by_speakers[&2][1];
    assert!(of_two.words > 800, "too few words are found to judge whose they are: {of_two:?}");
    assert!(of_two.words_percent() >= WORDS_RIGHT, "{of_two:?}");
}

#[tokio::test]
async fn a_number_told_beforehand_is_as_good_as_one_told_afterwards() {
    let world = World::start().await;
    let client = world.client();
    let conversation = conversations::test_set().into_iter().find(|one| one.speakers() == 3).unwrap();
    let answered = client.transcribe_file(&conversation.path(), &[]).await;
    let job = answered.header("x-job-id").to_owned();
    for count in [2, 3, 4] {
        let fields = [("speakers", &*count.to_string())];
        let beforehand = client.transcribe_file(&conversation.path(), &fields).await;
        assert_eq!(beforehand.ok()["speakers"].as_array().unwrap().len(), count);
        let path = format!("/v1/jobs/{job}/speakers");
        let request = client.request(Method::PATCH, &path).json(&json!({"speakers": count}));
        assert_eq!(answer(request).await.status, 200);
        assert_eq!(found(&client, &job).await, found(&client, beforehand.header("x-job-id")).await);
    }
}
