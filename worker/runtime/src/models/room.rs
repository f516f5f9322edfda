//! The room for models: which are in it, who waits for some, and what goes to make some.
//!
//! Belongs here: the decisions, under one lock and without waiting. Does not belong here: loading and the waiting
//! itself ([`super`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use steno_shared::catalog::ModelId;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::Outcome;
use super::loaded::{Loaded, Resident};

/// Newcomers pass one that waits for room for this long, ...
const PASS: Duration = Duration::from_secs(60);
/// ... and are then held back for this long, so that short jobs do not keep a model in use for ever; then they pass
/// again, so that one long job does not keep everybody.
const HELD_BACK: Duration = Duration::from_secs(120);

/// The room.
#[derive(Debug)]
pub(super) struct Room {
    bytes: u64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    places: HashMap<ModelId, Place>,
    visitors: u64,
    /// Those that found no room, by the order in which they came.
    waiting: BTreeMap<u64, (ModelId, Instant)>,
}

#[derive(Debug)]
struct Place {
    bytes: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Loading(watch::Receiver<Outcome>),
    Loaded(Arc<Resident>),
}

impl Place {
    /// The model, if it is loaded and nobody holds it. Whoever may hold it gets it from here, under the lock.
    fn idle(&self) -> Option<&Arc<Resident>> {
        match &self.content {
            Content::Loaded(resident) => Some(resident).filter(|resident| Arc::strong_count(resident) == 1),
            Content::Loading(_) => None,
        }
    }
}

/// What is to be done for one that wants a model.
pub(super) enum Step {
    /// Nothing: here it is.
    Ready(Arc<Resident>),
    /// Somebody loads it already.
    Join(watch::Receiver<Outcome>),
    /// It is to be loaded, in place of these.
    Load { outcome: watch::Sender<Outcome>, evicted: Vec<Arc<Resident>> },
    /// There is no room, or others come first.
    Wait,
}

impl Room {
    pub(super) fn new(bytes: u64) -> Self {
        Self { bytes, state: Mutex::default(), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when something has changed since the call.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn look_again(&self) {
        self.changed.notify_waiters();
    }

    /// Somebody who wants a model.
    pub(super) fn visitor(&self, id: &ModelId) -> Visitor<'_> {
        let mut state = self.lock();
        state.visitors += 1;
        Visitor { room: self, number: state.visitors, id: id.clone() }
    }

    pub(super) fn hold(self: &Arc<Self>, resident: Arc<Resident>) -> Loaded {
        Loaded::new(resident, Arc::clone(self))
    }

    /// The load of a model has ended, in this or in nothing.
    pub(super) fn settle(&self, id: &ModelId, loaded: Option<&Arc<Resident>>) {
        let mut state = self.lock();
        match (loaded, state.places.get_mut(id)) {
            (Some(resident), Some(place)) => place.content = Content::Loaded(Arc::clone(resident)),
            _ => drop(state.places.remove(id)),
        }
        drop(state);
        self.look_again();
    }

    /// Takes out what nobody has used for so long.
    pub(super) fn take_idle(&self, idle: Duration) -> Vec<Arc<Resident>> {
        let mut state = self.lock();
        let gone = state.take(|resident| resident.used().elapsed() >= idle);
        drop(state);
        if !gone.is_empty() {
            self.look_again();
        }
        gone
    }

    pub(super) fn has(&self, id: &ModelId) -> bool {
        matches!(self.lock().places.get(id), Some(Place { content: Content::Loaded(_), .. }))
    }

    /// The models for which somebody waits.
    pub(super) fn awaited(&self) -> Vec<ModelId> {
        self.lock().waiting.values().map(|(id, _)| id.clone()).collect()
    }
}

/// Whether one that has waited for so long holds newcomers back.
fn holds_back(waited: Duration) -> bool {
    waited.as_millis() % (PASS + HELD_BACK).as_millis() >= PASS.as_millis()
}

impl State {
    fn take(&mut self, which: impl Fn(&Resident) -> bool) -> Vec<Arc<Resident>> {
        let found = self.places.values().filter_map(Place::idle).filter(|resident| which(resident));
        let ids: Vec<_> = found.map(|resident| resident.id.clone()).collect();
        let places = ids.iter().filter_map(|id| self.places.remove(id));
        places
            .filter_map(|place| if let Content::Loaded(gone) = place.content { Some(gone) } else { None })
            .collect()
    }

    /// Whether somebody who came earlier for another model shall have room first.
    fn is_held_back(&self, number: u64, id: &ModelId) -> bool {
        let earlier = self.waiting.range(..number).filter(|(_, (other, _))| other != id);
        earlier.map(|(_, (_, since))| since.elapsed()).any(holds_back)
    }

    /// Makes room for so many bytes, if that can be done: of the models that nobody holds, those go that were used
    /// least recently. One that is too large for the room gets in when it is empty.
    fn make_room(&mut self, bytes: u64, room: u64) -> Option<Vec<Arc<Resident>>> {
        let taken: u64 = self.places.values().map(|place| place.bytes).sum();
        let mut excess = taken.saturating_add(bytes).saturating_sub(room);
        let mut idle: Vec<_> =
            self.places.iter().filter_map(|(id, place)| Some((place.idle()?.used(), id))).collect();
        idle.sort_unstable();
        let mut going = Vec::new();
        for (_, id) in idle {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(self.places[id].bytes);
            going.push(id.clone());
        }
        if excess > 0 && going.len() < self.places.len() {
            return None;
        }
        Some(self.take(|resident| going.contains(&resident.id)))
    }
}

/// Somebody who wants a model.
pub(super) struct Visitor<'a> {
    room: &'a Room,
    number: u64,
    id: ModelId,
}

impl Visitor<'_> {
    /// What is to be done, if the model takes so many bytes.
    pub(super) fn step(&mut self, bytes: u64) -> Step {
        let mut state = self.room.lock();
        if state.is_held_back(self.number, &self.id) {
            return Step::Wait;
        }
        let step = match state.places.get(&self.id).map(|place| &place.content) {
            Some(Content::Loaded(resident)) => Step::Ready(Arc::clone(resident)),
            Some(Content::Loading(outcome)) => Step::Join(outcome.clone()),
            None => match state.make_room(bytes, self.room.bytes) {
                Some(evicted) => {
                    let (outcome, under_way) = watch::channel(None);
                    let place = Place { bytes, content: Content::Loading(under_way) };
                    state.places.insert(self.id.clone(), place);
                    Step::Load { outcome, evicted }
                }
                None => {
                    let since = Instant::now();
                    state.waiting.entry(self.number).or_insert_with(|| (self.id.clone(), since));
                    return Step::Wait;
                }
            },
        };
        self.leave(&mut state);
        if bytes > self.room.bytes && matches!(step, Step::Load { .. }) {
            tracing::warn!(
                model = %self.id,
                "a model larger than all memory for models is loaded; see --model-memory"
            );
        }
        step
    }

    fn leave(&self, state: &mut State) {
        state.waiting.remove(&self.number);
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        self.leave(&mut state);
        drop(state);
        // Others may have been held back.
        self.room.look_again();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a newcomer for `id` is told when somebody has waited for the model `medium` for so long.
    fn told(id: &str, waited: u64) -> Step {
        let room = Room::new(10);
        let since = Instant::now().checked_sub(Duration::from_secs(waited)).unwrap();
        room.lock().waiting.insert(0, (ModelId::from("medium"), since));
        room.visitor(&id.into()).step(1)
    }

    #[test]
    fn newcomers_pass_one_that_waits_then_are_held_back_then_pass_again() {
        for (waited, held_back) in
            [(0, false), (50, false), (65, true), (170, true), (185, false), (250, true)]
        {
            assert_eq!(matches!(told("small", waited), Step::Wait), held_back, "after {waited} s");
            assert!(matches!(told("medium", waited), Step::Load { .. }), "they are let in together");
        }
    }

    #[test]
    fn of_two_that_wait_the_first_holds_back_the_second_alone() {
        let room = Room::new(0);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(100)).unwrap();
        let (mut first, mut second) = (room.visitor(&"small".into()), room.visitor(&"medium".into()));
        for visitor in [&first, &second] {
            room.lock().waiting.insert(visitor.number, (visitor.id.clone(), long_ago));
        }
        assert!(matches!(second.step(1), Step::Wait));
        assert!(matches!(first.step(1), Step::Load { .. }));
        assert_eq!(room.awaited(), [ModelId::from("medium")]);
        drop(second);
        assert_eq!(room.awaited(), []);
    }
}
