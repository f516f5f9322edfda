use super::*;

/// A segment whose words take 100 ms each.
fn segment(text: &str) -> Segment {
    let words: Vec<_> = pieces(text)
        .into_iter()
        .enumerate()
        .map(|(at, piece)| Word {
            word: place::bare(piece).to_owned(),
            punctuated_word: piece.to_owned(),
            start: Millis(100 * at as u64),
            end: Millis(100 * at as u64 + 100),
            confidence: 0.5,
            speaker: None,
            overlap: false,
        })
        .collect();
    Segment {
        start: Millis(0),
        end: words.last().unwrap().end,
        text: text.to_owned(),
        speaker: None,
        channel: None,
        language: None,
        confidence: 0.5,
        words,
    }
}

fn replacements(pairs: &[(&str, &str)]) -> Replacements {
    let pair =
        |(find, with): &(&str, &str)| Replacement { find: (*find).to_owned(), with: (*with).to_owned() };
    Replacements::of(&pairs.iter().map(pair).collect::<Vec<_>>())
}

/// The new text, after its words and times were checked; `None` if the segment is gone.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> Option<String> {
    let new = replacements(pairs).apply(vec![segment(text)]).pop()?;
    let mut at = 0;
    let mut earlier = new.start;
    for word in &new.words {
        at += new.text[at..]
            .find(&word.punctuated_word)
            .unwrap_or_else(|| panic!("{word:?} in {:?}", new.text));
        assert!(word.punctuated_word.contains(&word.word) && !word.word.is_empty(), "{word:?}");
        assert!(word.start >= earlier && word.end >= word.start && word.end <= new.end, "{word:?}");
        earlier = word.start;
    }
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let words: String = new.words.iter().map(|word| word.punctuated_word.as_str()).collect();
    assert_eq!(letters(&words), letters(&new.text));
    assert_eq!(new.text, new.text.trim());
    Some(new.text)
}

#[test]
fn whole_words_and_phrases_in_any_case() {
    for (text, pairs, expected) in [
        ("We are gonna go.", &[("gonna", "going to")][..], "We are going to go."),
        ("GONNA go, gonna stay", &[("Gonna", "will")], "will go, will stay"),
        ("the new york times", &[("new york", "New York"), ("new", "old")], "the New York times"),
        ("a category of cats", &[("cat", "dog")], "a category of cats"),
        ("state-of-the-art", &[("art", "craft")], "state-of-the-craft"),
        ("Dr. Smith", &[("dr.", "Doctor")], "Doctor Smith"),
        ("Hello, world.", &[("world", "everybody")], "Hello, everybody."),
        ("x y", &[("x", "y"), ("y", "z")], "y z"),
        ("a b c", &[("a b", "1"), ("b c", "2")], "1 c"),
        ("one two three", &[("one two three", "123")], "123"),
        ("Stra\u{DF}e und \u{130}zmir", &[("STRA\u{DF}E", "Weg")], "Weg und \u{130}zmir"),
        ("nothing here", &[("there", "x")], "nothing here"),
    ] {
        assert_eq!(replaced(text, pairs).as_deref(), Some(expected), "{text} {pairs:?}");
    }
}

#[test]
fn nothing_in_place_of_something_leaves_no_marks() {
    for (text, expected) in [
        ("Um, I think so.", Some("I think so.")),
        ("I, um, think so.", Some("I, think so.")),
        ("I think so, um.", Some("I think so.")),
        ("I think um", Some("I think")),
        ("Um.", None),
        ("um um", None),
    ] {
        assert_eq!(replaced(text, &[("um", "")]).as_deref(), expected, "{text}");
    }
}

#[test]
fn scripts_without_spaces_are_searched_everywhere() {
    assert_eq!(
        replaced(
            "\u{4ECA}\u{65E5}\u{306F}\u{6674}\u{308C}\u{3002}",
            &[("\u{65E5}\u{306F}", "\u{591C}\u{3082}")]
        )
        .as_deref(),
        Some("\u{4ECA}\u{591C}\u{3082}\u{6674}\u{308C}\u{3002}")
    );
    assert_eq!(
        replaced("\u{4F7F}YouTube\u{3092}", &[("youtube", "video")]).as_deref(),
        Some("\u{4F7F}video\u{3092}")
    );
}

#[test]
fn new_words_share_the_time_of_the_old_ones() {
    let new = replacements(&[("gonna", "going to"), ("c d", "cd")]).apply(vec![segment("a gonna b c d")]);
    let spans: Vec<_> =
        new[0].words.iter().map(|word| (word.punctuated_word.as_str(), word.start.0, word.end.0)).collect();
    assert_eq!(
        spans,
        [("a", 0, 100), ("going", 100, 171), ("to", 171, 200), ("b", 200, 300), ("cd", 300, 500)]
    );
    assert_eq!((new[0].start, new[0].end), (Millis(0), Millis(500)));
    let shorter = replacements(&[("a", "")]).apply(vec![segment("a b c")]);
    assert_eq!((shorter[0].start, shorter[0].end), (Millis(100), Millis(300)));
}

#[test]
fn without_replacements_nothing_is_touched() {
    let segments = vec![segment("As it  was, with odd   spaces.")];
    assert_eq!(Replacements::of(&[]).apply(segments.clone()), segments);
    assert_eq!(replacements(&[("other", "x")]).apply(segments.clone()), segments);
}

/// Numbers without a pattern, the same in each run (Knuth's linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn whatever_is_replaced_words_and_text_stay_one() {
    const WORDS: [&str; 12] = [
        "um",
        "Um,",
        "the",
        "art",
        "well-known",
        "don't",
        "so.",
        "\u{BF}Qu\u{E9}?",
        "\u{306F}\u{3044}",
        "C++",
        "(no)",
        "...",
    ];
    let mut numbers = Numbers(1);
    for _ in 0..3000 {
        let text = |numbers: &mut Numbers, most: usize| -> String {
            let count = 1 + numbers.below(most);
            (0..count).map(|_| WORDS[numbers.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
        };
        let pairs: Vec<(String, String)> = (0..1 + numbers.below(3))
            .map(|_| {
                let with = if numbers.below(3) == 0 { String::new() } else { text(&mut numbers, 3) };
                (text(&mut numbers, 2), with)
            })
            .collect();
        let pairs: Vec<_> = pairs.iter().map(|(find, with)| (find.as_str(), with.as_str())).collect();
        replaced(&text(&mut numbers, 8), &pairs);
    }
}
