//! Real sentences of scripts that are not Latin, as subtitles that were read and found good.

use super::cues::CueStyle;
use super::sample::{of, said, segment};
use super::{SpeakerLabels, srt, tsv, vtt};

/// The texts of the cues, a bar between lines; `<` for the mark of right-to-left.
fn written(language: &str, text: &str, length: u64) -> Vec<String> {
    let file =
        srt(&of(language, vec![segment(text, 0, length, &[])]), SpeakerLabels::Auto, CueStyle::default());
    let cue = |block: &str| block.trim_end().lines().skip(2).collect::<Vec<_>>().join(" | ");
    file.replace('\u{200f}', "<").split("\n\n").map(cue).collect()
}

#[test]
fn japanese_lines_neither_begin_with_closing_marks_and_small_kana_nor_end_with_opening_ones() {
    let text = "彼は「もう、だめだ……」と言って、コンピューターのスイッチを切ってしまった。\
                価格は１，２００円（税込）です。";
    let expected = [
        "彼は「もう、だめだ……」",
        "と言って、コンピューターの | スイッチを切ってしまった。",
        "価格は１，２００円（税込）です。",
    ];
    assert_eq!(written("ja", text, 12_000), expected);
}

#[test]
fn chinese_breaks_at_clauses_and_keeps_numbers_and_quotes_whole() {
    let text = "他说：“我们明天八点三十分在北京大学东门集合。”然后就挂了电话……你觉得这是怎么回事？";
    let expected =
        ["他说：“我们明天八点三十 | 分在北京大学东门集合。”", "然后就挂了电话……你觉得这是怎么回事？"];
    assert_eq!(written("zh", text, 10_000), expected);
    let text = "根据《中华人民共和国合同法》的规定，甲方应当于2024年12月31日之前支付1,000,000元人民币。";
    let expected =
        ["根据《中华人民共和国合同法》的规定，", "甲方应当于2024年12月31日之 | 前支付1,000,000元人民币。"];
    assert_eq!(written("zh", text, 10_000), expected);
}

#[test]
fn korean_breaks_between_words() {
    let text = "안녕하십니까? 오늘 회의에서는 새로운 프로젝트의 일정과 예산에 대해서 논의하도록 하겠습니다. \
                질문이 있으시면 언제든지 말씀해 주세요.";
    let expected = [
        "안녕하십니까?",
        "오늘 회의에서는 새로운 프로젝트의 일정과 | 예산에 대해서 논의하도록 하겠습니다.",
        "질문이 있으시면 언제든지 말씀해 주세요.",
    ];
    assert_eq!(written("ko", text, 11_000), expected);
}

#[test]
fn thai_breaks_at_spaces_or_before_a_vowel_that_begins_a_syllable() {
    let text = "สวัสดีครับ วันนี้เราจะมาพูดถึงเรื่องการเปลี่ยนแปลงสภาพภูมิอากาศที่ส่งผลกระทบต่อการเกษตร\
                ในภาคเหนือของประเทศไทยอย่างต่อเนื่องมาเป็นเวลากว่า 10 ปี";
    let expected = [
        "สวัสดีครับ วันนี้เราจะมาพูดถึงเรื่องการเปลี่ยน",
        "แปลงสภาพภูมิอากาศที่ส่งผลกระทบต่อการเกษตร",
        "ในภาคเหนือของประเทศไทยอย่างต่อ | เนื่องมาเป็นเวลากว่า 10 ปี",
    ];
    assert_eq!(written("th", text, 14_000), expected);
}

#[test]
fn arabic_stays_in_the_order_in_which_it_is_spoken() {
    let text = "السلام عليكم ورحمة الله. أهلاً بكم في اجتماع اليوم، سنتحدث عن مشروع \"OpenAI\" الجديد الذي سيبدأ \
                في 15 مارس 2025، لكن الميزانية لم تُحدَّد بعد...";
    let expected = [
        "السلام عليكم ورحمة الله.",
        "أهلاً بكم في اجتماع اليوم، | سنتحدث عن مشروع \"OpenAI\" الجديد",
        "الذي سيبدأ في 15 مارس 2025، | لكن الميزانية لم تُحدَّد بعد...",
    ];
    assert_eq!(written("ar", text, 13_000), expected);
    let persian = "سلام، امروز می‌خواهیم دربارهٔ نسخهٔ جدید Linux صحبت کنیم؛ آیا همه آماده‌اند؟";
    let expected = ["سلام، امروز می‌خواهیم دربارهٔ نسخهٔ جدید | <Linux صحبت کنیم؛ آیا همه آماده‌اند؟"];
    assert_eq!(written("fa", persian, 7_000), expected);
}

#[test]
fn hebrew_keeps_dashes_and_numbers_where_they_are() {
    let text = "שלום לכולם, ברוכים הבאים לפגישה. היום נדבר על WhatsApp ועל הגרסה החדשה (3.5) שיצאה ב-12 במאי, \
                אבל קודם כול – מי שומע אותי?";
    let expected = [
        "שלום לכולם, ברוכים הבאים לפגישה.",
        "היום נדבר על WhatsApp ועל הגרסה החדשה | (3.5) שיצאה ב-12 במאי,",
        "אבל קודם כול – מי שומע אותי?",
    ];
    assert_eq!(written("he", text, 12_000), expected);
}

/// Before a Latin name, the mark makes the line run as Arabic does; where the name is no text, nothing is needed.
#[test]
fn names_do_not_tear_arabic_apart() {
    let two = of(
        "ar",
        vec![
            said("Speaker 1", "مرحبا بكم. كيف الحال؟", 0, 3000),
            said("Speaker 2", "WhatsApp أفضل!", 3000, 5000),
        ],
    );
    let labels = SpeakerLabels::Auto;
    assert_eq!(
        srt(&two, labels, CueStyle::default()),
        "1\n00:00:00,000 --> 00:00:03,000\n\u{200f}Speaker 1: مرحبا بكم. كيف الحال؟\n\n\
         2\n00:00:03,000 --> 00:00:05,000\n\u{200f}Speaker 2: WhatsApp أفضل!\n"
    );
    assert_eq!(
        vtt(&two, labels, CueStyle::default()),
        "WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n<v Speaker 1>مرحبا بكم. كيف الحال؟\n\n\
         00:00:03.000 --> 00:00:05.000\n<v Speaker 2>&rlm;WhatsApp أفضل!\n"
    );
    assert_eq!(
        tsv(&two, labels),
        "start\tend\ttext\n0\t3000\tSpeaker 1: مرحبا بكم. كيف الحال؟\n3000\t5000\tSpeaker 2: WhatsApp أفضل!\n"
    );
}

/// The rules are those of the language of each segment.
#[test]
fn a_segment_is_broken_by_the_rules_of_its_own_language() {
    let german = "Die Leute gingen langsam durch den Wald zurück bis zur alten Hütte.";
    let mut segment = said("", german, 0, 6000);
    segment.language = Some("de".to_owned());
    let mixed = of("en", vec![segment.clone()]);
    segment.language = None;
    let file = |transcript| srt(&transcript, SpeakerLabels::Auto, CueStyle::default());
    let mixed = file(mixed);
    assert_eq!(mixed, file(of("de", vec![segment.clone()])));
    assert_ne!(mixed, file(of("en", vec![segment])));
}
