//! Which voices are most alike: a tree of merges, from every voice by itself to all in one group.
//!
//! Two groups are as alike as their voices are on average, in proportion to how alike the voices within each are: what
//! an embedding of little speech has of chance lowers both, and so neither long nor short recordings look as if they
//! had more speakers.

/// A voice as it counts here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point<'a> {
    /// A vector of length 1.
    pub(super) at: &'a [f32],
    /// How much it counts in the middle of its group: seconds of speech.
    pub(super) weight: f32,
}

/// Two groups become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Merge {
    /// The group that goes on, by its first point.
    pub(super) kept: usize,
    /// The group that is no more.
    pub(super) gone: usize,
    /// How alike they are: 1 for one speaker, 0 for two that have nothing in common.
    pub(super) similarity: f32,
}

/// How alike two voices of one speaker are as long as nothing is known of the speaker but this, ...
const USUAL: f32 = 0.7;
/// ... and how much this counts beside what is known, in squared seconds: as two voices of 2 s.
const USUAL_WEIGHT: f32 = 4.0;
/// No group is so little like itself that others are like it for that.
const LEAST_ALIKE: f32 = 0.3;

/// Merges the two most similar groups again and again until one is left. Takes `4 * points²` bytes.
pub(super) fn agglomerate(points: &[Point<'_>]) -> Vec<Merge> {
    let mut groups = Groups::new(points);
    (1..points.len()).map(|_| groups.merge()).collect()
}

/// The scalar product. In eight sums, which a processor adds side by side.
pub(super) fn dot(one: &[f32], other: &[f32]) -> f32 {
    let (ones, one_rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (one, other) in ones.iter().zip(others) {
        for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
            *sum += one * other;
        }
    }
    let rest = one_rest.iter().zip(other_rest).map(|(one, other)| one * other);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// The groups that are left.
struct Groups {
    /// For each two groups the scalar product of the sums of their weighted points, in rows.
    products: Vec<f32>,
    /// What each group has of weight.
    weights: Vec<f32>,
    /// The sums of the squares of the points' weights: what a group's product with itself has of points with themselves.
    squares: Vec<f32>,
    /// What the likeness to each group is measured by: the root of how alike its own points are, times its weight.
    measures: Vec<f32>,
    /// The groups that are left, in order.
    left: Vec<usize>,
    /// Of each group the one most similar to it.
    nearest: Vec<Nearest>,
}

#[derive(Debug, Clone, Copy)]
struct Nearest {
    group: usize,
    similarity: f32,
    /// The group has changed since: no other is more similar than this, but it may be less similar itself.
    is_stale: bool,
}

impl Groups {
    fn new(points: &[Point<'_>]) -> Self {
        let count = points.len();
        let mut products = vec![0.0; count * count];
        for (row, one) in points.iter().enumerate() {
            for (column, other) in points[..=row].iter().enumerate() {
                let product = dot(one.at, other.at) * one.weight * other.weight;
                products[row * count + column] = product;
                products[column * count + row] = product;
            }
        }
        let mut groups = Self {
            products,
            weights: points.iter().map(|point| point.weight).collect(),
            squares: points.iter().map(|point| point.weight * point.weight).collect(),
            measures: Vec::new(),
            left: (0..count).collect(),
            nearest: Vec::new(),
        };
        groups.measures = (0..count).map(|group| groups.measure(group)).collect();
        groups.nearest = (0..count).map(|group| groups.look_around(group)).collect();
        groups
    }

    fn measure(&self, group: usize) -> f32 {
        let (square, weight) = (self.squares[group], self.weights[group]);
        let alike = self.products[group * self.weights.len() + group] - square + USUAL * USUAL_WEIGHT;
        let alike = alike / (weight * weight - square + USUAL_WEIGHT);
        alike.max(LEAST_ALIKE).sqrt() * weight
    }

    fn similarity(&self, one: usize, other: usize) -> f32 {
        self.products[one * self.weights.len() + other] / (self.measures[one] * self.measures[other])
    }

    /// The group nearest to this one; of several as near, the first.
    fn look_around(&self, group: usize) -> Nearest {
        let mut nearest = Nearest { group, similarity: f32::NEG_INFINITY, is_stale: false };
        for other in self.left.iter().copied().filter(|other| *other != group) {
            let similarity = self.similarity(group, other);
            if similarity > nearest.similarity {
                nearest = Nearest { group: other, similarity, is_stale: false };
            }
        }
        nearest
    }

    /// Of the groups that are left the one that is nearest to another.
    fn most_similar(&mut self) -> usize {
        loop {
            let mut best = self.left[0];
            for group in &self.left {
                if self.nearest[*group].similarity > self.nearest[best].similarity {
                    best = *group;
                }
            }
            if !self.nearest[best].is_stale {
                return best;
            }
            self.nearest[best] = self.look_around(best);
        }
    }

    fn merge(&mut self) -> Merge {
        let one = self.most_similar();
        let Nearest { group: other, similarity, .. } = self.nearest[one];
        let (kept, gone) = (one.min(other), one.max(other));
        self.add(kept, gone);
        self.nearest[kept] = self.look_around(kept);
        for group in self.left.iter().copied().filter(|group| *group != kept) {
            let similarity = self.similarity(group, kept);
            let nearest = &mut self.nearest[group];
            if similarity > nearest.similarity {
                *nearest = Nearest { group: kept, similarity, is_stale: false };
            } else if nearest.group == kept || nearest.group == gone {
                nearest.is_stale = true;
            }
        }
        Merge { kept, gone, similarity }
    }

    fn add(&mut self, kept: usize, gone: usize) {
        let count = self.weights.len();
        for other in self.left.iter().copied() {
            let sum = self.products[kept * count + other] + self.products[gone * count + other];
            self.products[kept * count + other] = sum;
            self.products[other * count + kept] = sum;
        }
        // The loop has met `kept` before `gone`: the product of the group with itself lacks that with what has come.
        self.products[kept * count + kept] += self.products[kept * count + gone];
        self.weights[kept] += self.weights[gone];
        self.squares[kept] += self.squares[gone];
        self.measures[kept] = self.measure(kept);
        self.left.retain(|group| *group != gone);
    }
}
