//! Grouping voices into speakers. Voices of which much is known are merged by likeness, the nearest first, and the
//! middle of a group counts each voice by its length of speech. Groups of next to no speech are no speakers: they, and
//! voices of which little is known, are given to the group that they are most like.

mod linkage;

use linkage::{Merge, Point, agglomerate, dot};

use super::{Embedding, SpeakerCount, Turn, Voice};

/// Voices of at least so much speech, in seconds, decide which speakers there are.
const RELIABLE: f32 = 1.0;
/// Nobody who speaks less than this, in seconds, is found without being asked for, ...
const LEAST_SPEECH: f32 = 3.0;
/// ... or, where there is little speech, less than this share of it, ...
const SMALL_SHARE: f32 = 0.12;
/// ... or, where there is much, less than this share.
const LEAST_SHARE: f32 = 0.03;
/// Of more voices, those of least speech do not decide. It bounds memory to 64 MiB, and time to some seconds.
const MOST_DECIDING: usize = 4096;
/// A voice counts for at least so much, in seconds.
const LEAST_WEIGHT: f32 = 0.1;
/// How often the middles of the groups are found again from all voices nearest to them.
const ROUNDS: usize = 2;

/// The speaker of each voice, numbered from 0 without gaps, in the order of the voices. `threshold` is how much less
/// alike the voices of two speakers are than those of one ([`crate::catalog::Grouping`]), where the number of speakers
/// is to be found out.
///
/// Voices without an embedding are given to the speaker who speaks next to them.
#[must_use]
pub fn cluster(turns: &[Turn], voices: &[Voice], threshold: f32, count: SpeakerCount) -> Vec<u16> {
    let known = Known::of(voices);
    let groups = known.groups(threshold, count);
    let mut speakers = vec![None; voices.len()];
    for (voice, group) in known.voices.iter().zip(groups) {
        speakers[*voice] = Some(group);
    }
    number(&beside(turns, &speakers))
}

/// What each speaker sounds like in the middle of their voices, each of which counts by its speech.
#[must_use]
pub fn middles(voices: &[Voice], speakers: &[u16]) -> Vec<Embedding> {
    let known = Known::of(voices);
    let of = |voice: &usize| speakers.get(*voice).map(|speaker| usize::from(*speaker));
    let groups: Vec<_> = known.voices.iter().map(of).collect();
    let count = groups.iter().flatten().max().map_or(0, |most| most + 1);
    centroids(&known.points, &groups, count).into_iter().map(Embedding).collect()
}

/// The voices that have an embedding.
struct Known<'a> {
    /// Their numbers.
    voices: Vec<usize>,
    points: Vec<Point<'a>>,
}

impl<'a> Known<'a> {
    fn of(voices: &'a [Voice]) -> Self {
        let dimension = voices.iter().map(|voice| voice.embedding.0.len()).find(|length| *length > 0);
        let (mut numbers, mut points) = (Vec::new(), Vec::new());
        for (number, voice) in voices.iter().enumerate() {
            let at = voice.embedding.0.as_slice();
            let is_unit = (0.99..1.01).contains(&dot(at, at));
            if is_unit && Some(at.len()) == dimension {
                numbers.push(number);
                points.push(Point { at, weight: (voice.speech.as_seconds() as f32).max(LEAST_WEIGHT) });
            }
        }
        Self { voices: numbers, points }
    }

    /// The group of each.
    fn groups(&self, threshold: f32, count: SpeakerCount) -> Vec<usize> {
        let deciding = self.deciding(usize::from(count.min).max(2));
        let points: Vec<_> = deciding.iter().map(|at| self.points[*at]).collect();
        let speakers = Tree { merges: agglomerate(&points), points }.speakers(threshold, count);
        let mut groups = vec![None; self.points.len()];
        for (speaker, members) in speakers.iter().enumerate() {
            members.iter().for_each(|member| groups[deciding[*member]] = Some(speaker));
        }
        let mut middles = centroids(&self.points, &groups, speakers.len());
        let likeliest = nearest(&self.points, &middles).into_iter().zip(groups);
        let mut groups: Vec<_> = likeliest.map(|(likeliest, group)| group.or(Some(likeliest))).collect();
        for _ in 0..ROUNDS {
            middles = centroids(&self.points, &groups, speakers.len());
            let moved: Vec<_> = nearest(&self.points, &middles).into_iter().map(Some).collect();
            if (0..speakers.len()).any(|speaker| !moved.contains(&Some(speaker))) {
                break;
            }
            groups = moved;
        }
        groups.into_iter().flatten().collect()
    }

    /// Those that decide which speakers there are, in order.
    fn deciding(&self, least: usize) -> Vec<usize> {
        let mut deciding: Vec<_> =
            (0..self.points.len()).filter(|at| self.points[*at].weight >= RELIABLE).collect();
        if deciding.len() < least {
            deciding = (0..self.points.len()).collect();
        }
        deciding.sort_by(|one, other| self.points[*other].weight.total_cmp(&self.points[*one].weight));
        deciding.truncate(MOST_DECIDING);
        deciding.sort_unstable();
        deciding
    }
}

/// All ways of grouping points that merging the nearest gives.
struct Tree<'a> {
    points: Vec<Point<'a>>,
    merges: Vec<Merge>,
}

impl Tree<'_> {
    /// The members of the groups that are speakers.
    fn speakers(&self, threshold: f32, count: SpeakerCount) -> Vec<Vec<usize>> {
        let (min, max) = (usize::from(count.min).max(1), usize::from(count.max).max(1));
        let far = |merge: &Merge| 1.0 - merge.similarity >= threshold;
        let mut after = self.merges.iter().position(far).unwrap_or(self.merges.len());
        while after < self.merges.len() && self.who_speak(after, min).len() > max {
            after += 1;
        }
        if self.who_speak(after, min).len() >= min {
            return self.who_speak(after, min);
        }
        let mut finer = (0..after).rev().map(|after| self.who_speak(after, min));
        // Where so many do not speak enough, anybody is somebody.
        let anybody = || self.members(self.points.len().saturating_sub(min));
        finer.find(|speakers| speakers.len() >= min).unwrap_or_else(anybody)
    }

    /// The groups after so many merges, in the order of their first points.
    fn members(&self, merges: usize) -> Vec<Vec<usize>> {
        let mut members: Vec<_> = (0..self.points.len()).map(|point| vec![point]).collect();
        for merge in &self.merges[..merges] {
            let gone = std::mem::take(&mut members[merge.gone]);
            members[merge.kept].extend(gone);
        }
        members.retain(|members| !members.is_empty());
        members
    }

    /// The groups that speak enough to be speakers; if none does, the one that speaks most.
    fn who_speak(&self, merges: usize, min: usize) -> Vec<Vec<usize>> {
        let speech = |members: &Vec<usize>| members.iter().map(|at| self.points[*at].weight).sum::<f32>();
        let mut groups = self.members(merges);
        let all = groups.iter().map(speech).sum::<f32>();
        let least = LEAST_SPEECH.min(SMALL_SHARE * all).max(LEAST_SHARE * all).min(all / 2.0 / min as f32);
        let most = groups.iter().map(speech).max_by(f32::total_cmp).unwrap_or_default();
        groups.retain(|members| speech(members) >= least.min(most));
        groups
    }
}

/// The middle of each group of points. Points may be of none.
fn centroids(points: &[Point<'_>], groups: &[Option<usize>], count: usize) -> Vec<Vec<f32>> {
    let dimension = points.first().map_or(0, |point| point.at.len());
    let mut sums = vec![vec![0.0; dimension]; count];
    for (point, group) in points.iter().zip(groups) {
        let Some(group) = group else { continue };
        sums[*group].iter_mut().zip(point.at).for_each(|(sum, value)| *sum += value * point.weight);
    }
    for sum in &mut sums {
        let length = dot(sum, sum).sqrt().max(f32::MIN_POSITIVE);
        sum.iter_mut().for_each(|value| *value /= length);
    }
    sums
}

/// The middle that each point is nearest to.
fn nearest(points: &[Point<'_>], middles: &[Vec<f32>]) -> Vec<usize> {
    let likeness = |point: &Point<'_>, middle: &[f32]| dot(point.at, middle);
    let mut groups = Vec::with_capacity(points.len());
    for point in points {
        let mut best = (0, f32::NEG_INFINITY);
        for (group, middle) in middles.iter().enumerate() {
            if likeness(point, middle) > best.1 {
                best = (group, likeness(point, middle));
            }
        }
        groups.push(best.0);
    }
    groups
}

/// Gives voices that are nobody's to the speaker of the turn nearest to their first.
fn beside(turns: &[Turn], speakers: &[Option<usize>]) -> Vec<usize> {
    let speaker = |turn: &Turn| speakers.get(turn.voice as usize).copied().flatten();
    let of_known: Vec<_> = turns.iter().filter_map(|turn| Some((turn, speaker(turn)?))).collect();
    let next_to = |voice: usize| {
        let first = turns.iter().find(|turn| turn.voice as usize == voice)?;
        let apart =
            |(turn, _): &&(&Turn, usize)| turn.start.since(first.end).max(first.start.since(turn.end));
        of_known.iter().min_by_key(apart).map(|(_, speaker)| *speaker)
    };
    let given = speakers.iter().enumerate().map(|(voice, speaker)| speaker.or_else(|| next_to(voice)));
    given.map(Option::unwrap_or_default).collect()
}

/// The same groups, numbered in the order in which they first come.
fn number(groups: &[usize]) -> Vec<u16> {
    let mut order: Vec<usize> = Vec::new();
    let mut numbered = Vec::with_capacity(groups.len());
    for group in groups {
        let place = order.iter().position(|other| other == group).unwrap_or(order.len());
        if place == order.len() {
            order.push(*group);
        }
        numbered.push(u16::try_from(place).unwrap_or(u16::MAX));
    }
    numbered
}

#[cfg(test)]
mod tests;
