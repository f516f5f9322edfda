//! Scoring a text against what was said.

/// Words as they are compared: lower case, without punctuation.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let clean: String = text
        .to_lowercase()
        .chars()
        .map(|letter| if letter.is_alphanumeric() || letter == '\'' { letter } else { ' ' })
        .collect();
    clean.split_whitespace().map(str::to_owned).collect()
}

/// The least number of words to change, leave out or put in, from `said` to `heard` (Levenshtein distance).
#[must_use]
pub fn word_errors(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, word) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[heard.len()]
}

/// Which words of `said` are which of `heard`, by number: those that the cheapest way from one to the other keeps.
#[must_use]
pub fn matches(said: &[String], heard: &[String]) -> Vec<(usize, usize)> {
    let mut rows = vec![vec![0usize; heard.len() + 1]; said.len() + 1];
    for i in 0..=said.len() {
        for j in 0..=heard.len() {
            rows[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let kept = rows[i - 1][j - 1] + usize::from(said[i - 1] != heard[j - 1]);
                    kept.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
                }
            };
        }
    }
    let (mut i, mut j, mut found) = (said.len(), heard.len(), Vec::new());
    while i > 0 && j > 0 {
        let differs = usize::from(said[i - 1] != heard[j - 1]);
        if rows[i][j] == rows[i - 1][j - 1] + differs {
            (i, j) = (i - 1, j - 1);
            if differs == 0 {
                found.push((i, j));
            }
        } else if rows[i][j] == rows[i - 1][j] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    found.reverse();
    found
}

/// Errors and words, summed over clips.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    /// Word errors.
    pub errors: usize,
    /// Words said.
    pub words: usize,
}

impl Score {
    /// The score of one text.
    #[must_use]
    pub fn of(said: &str, heard: &str) -> Self {
        let (said, heard) = (words(said), words(heard));
        Self { errors: word_errors(&said, &heard), words: said.len() }
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.errors += other.errors;
        self.words += other.words;
    }

    /// Word error rate in percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        100.0 * self.errors as f64 / self.words.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_substitutions_deletions_and_insertions() {
        let errors = |said: &str, heard: &str| word_errors(&words(said), &words(heard));
        assert_eq!(errors("The cat sat.", "the cat sat"), 0);
        assert_eq!(errors("the cat sat", "the bat sat"), 1);
        assert_eq!(errors("the cat sat", "cat sat"), 1);
        assert_eq!(errors("the cat sat", "the the cat sat down"), 2);
        assert_eq!(errors("", "noise"), 1);
        assert_eq!(errors("it's said", ""), 2);
    }

    #[test]
    fn what_was_heard_right_is_matched() {
        let matched = |said: &str, heard: &str| matches(&words(said), &words(heard));
        assert_eq!(matched("the cat sat", "the cat sat"), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(matched("the cat sat", "a the bat sat"), [(0, 1), (2, 3)]);
        assert_eq!(matched("the cat sat", ""), []);
        assert_eq!(matched("", "noise"), []);
    }
}
