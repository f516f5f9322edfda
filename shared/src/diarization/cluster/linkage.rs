//! Which voices are most alike: a tree of merges, from every voice by itself to all in one group.

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
    /// The cosine of the angle between the middles of the two.
    pub(super) similarity: f32,
}

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

/// Opposite voices would cancel each other out: no sum is shorter than this.
const SHORTEST: f32 = 1e-3;

/// The groups that are left.
struct Groups {
    /// For each two groups the scalar product of the sums of their weighted points, in rows.
    products: Vec<f32>,
    /// The lengths of these sums.
    lengths: Vec<f32>,
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
        let lengths = points.iter().map(|point| point.weight.max(SHORTEST)).collect();
        let mut groups = Self { products, lengths, left: (0..count).collect(), nearest: Vec::new() };
        groups.nearest = (0..count).map(|group| groups.look_around(group)).collect();
        groups
    }

    fn similarity(&self, one: usize, other: usize) -> f32 {
        let product = self.products[one * self.lengths.len() + other];
        (product / (self.lengths[one] * self.lengths[other])).clamp(-1.0, 1.0)
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
        let count = self.lengths.len();
        for other in self.left.iter().copied() {
            let sum = self.products[kept * count + other] + self.products[gone * count + other];
            self.products[kept * count + other] = sum;
            self.products[other * count + kept] = sum;
        }
        // The loop has met `kept` before `gone`: the product of the group with itself lacks that with what has come.
        self.products[kept * count + kept] += self.products[kept * count + gone];
        self.lengths[kept] = self.products[kept * count + kept].sqrt().max(SHORTEST);
        self.left.retain(|group| *group != gone);
    }
}
