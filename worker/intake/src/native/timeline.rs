//! Whether packets follow each other without a gap, by the times that their container gives them.

use crate::sniff::Container;

/// Matroska counts in milliseconds, and its encoders have a delay.
const LEAST_GAP_S: f64 = 0.05;
/// Where packets are counted in samples.
const LEAST_LOSS_S: f64 = 0.005;
/// After a longer one, time begins anew: it is a fault of the clock, or another recording.
const MOST_GAP_S: f64 = 300.0;

/// A gap before a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    pub(super) seconds: f64,
    /// What was there is lost, rather than never recorded.
    pub(super) is_loss: bool,
}

/// Follows the packets of a file.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Whether a gap is a loss; none if times say nothing in this container.
    is_loss: Option<bool>,
    /// When the next packet of the track should begin.
    next_s: Option<f64>,
}

impl Timeline {
    pub(super) fn new(container: Container) -> Self {
        let is_loss = match container {
            // Bare FLAC frames are numbered, and pages of OGG are timed: what is missing was there.
            Container::Flac | Container::OggPlain => Some(true),
            // Recorders leave silence out, and tracks begin when they like.
            Container::Matroska => Some(false),
            _ => None,
        };
        Self { is_loss, next_s: None }
    }

    /// A packet of another track: the first of all packets tells when the file begins.
    pub(super) fn see_other(&mut self, time_s: f64) {
        self.next_s.get_or_insert(time_s);
    }

    /// The gap before a packet of the track that begins here.
    pub(super) fn gap_before(&mut self, start_s: f64) -> Option<Gap> {
        let is_loss = self.is_loss?;
        // What lies before zero is dropped.
        let start_s = if is_loss { start_s } else { start_s.max(0.0) };
        let gap_s = start_s - *self.next_s.get_or_insert(start_s);
        self.next_s = Some(start_s);
        let least_s = if is_loss { LEAST_LOSS_S } else { LEAST_GAP_S };
        (least_s..MOST_GAP_S).contains(&gap_s).then_some(Gap { seconds: gap_s, is_loss })
    }

    /// A packet of the track has been heard. Matroska does not always tell how long it is, and elsewhere a part of
    /// it may have been dropped.
    pub(super) fn advance(&mut self, told_s: f64, heard_s: f64) {
        let span_s = if self.is_loss == Some(true) { told_s } else { heard_s };
        self.next_s = self.next_s.map(|next_s| next_s + span_s);
    }

    /// Time begins anew.
    pub(super) fn reset(&mut self) {
        self.next_s = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(container: Container, packets: &[(f64, f64)]) -> Vec<Option<f64>> {
        let mut timeline = Timeline::new(container);
        let gap = |(start, span): &(f64, f64)| {
            let gap = timeline.gap_before(*start).map(|gap| (gap.seconds * 1000.0).round() / 1000.0);
            timeline.advance(*span, *span);
            gap
        };
        packets.iter().map(gap).collect()
    }

    #[test]
    fn a_gap_is_what_the_packets_leave_out() {
        let packets = [(5.0, 0.1), (5.1, 0.1), (5.5, 0.1), (5.602, 0.1), (5.6, 0.1), (9999.0, 0.1)];
        let found = [None, None, Some(0.3), None, None, None];
        assert_eq!(gaps(Container::Flac, &packets), found);
        assert_eq!(gaps(Container::Matroska, &packets), found);
        assert_eq!(gaps(Container::Mp4, &packets), [None; 6]);
    }

    #[test]
    fn audio_may_begin_later_than_the_pictures() {
        let mut timeline = Timeline::new(Container::Matroska);
        timeline.see_other(100.0);
        assert_eq!(timeline.gap_before(101.5), Some(Gap { seconds: 1.5, is_loss: false }));
        timeline.reset();
        assert_eq!(timeline.gap_before(-0.007), None);
    }
}
