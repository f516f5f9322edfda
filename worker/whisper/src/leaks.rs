//! Many calls into whisper.cpp leave nothing behind: no memory of ours (counted), no memory of whisper.cpp's
//! (the process does not grow).
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::raw::{Context, Request, State};

const CALLS: usize = 2000;
/// What the process may grow by in all: less than the result of each call would be.
const GROWTH: usize = 1 << 20;

struct Counting;

thread_local! {
    /// Bytes that this thread has asked for and not given back.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get() + layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Anonymous memory of this process in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn two_thousand_calls_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let context = Arc::new(Context::load(&crate::bundled::install(folder.path()).unwrap(), &[]).unwrap());
    let mut state = State::open(&context).unwrap();
    // Half a second of speech, so that tokens come out; with few positions and tokens, so that the test is short.
    let clip = steno_tests::clips::heldout().remove(0);
    let samples = steno_tests::clips::samples(&clip.path());
    let samples: Vec<f32> =
        samples.iter().skip(8000).take(8000).map(|sample| f32::from(*sample) / 32768.0).collect();
    let stop = AtomicBool::new(false);
    let prompt = context.tokenize(c" a few words");
    let request = Request {
        language: c"en",
        prompt: &prompt,
        audio_positions: 32,
        tokens: 6,
        beams: 1,
        temperature: 0.0,
        temperature_step: 0.4,
        encodes: 1,
        stop: &stop,
    };
    let mut decoded = 0;
    let mut calls = |count: usize| {
        for call in 0..count {
            state.decode(&samples, &request).unwrap();
            decoded += state.tokens().unwrap().len();
            state.no_speech_probability().unwrap();
            if call % 10 == 0 {
                state.languages().unwrap();
            }
        }
    };
    calls(200);
    let (held, before) = (HELD.get(), memory());
    calls(CALLS);
    assert_eq!(HELD.get(), held, "bytes of ours were left behind");
    let grown = memory().saturating_sub(before);
    assert!(decoded > CALLS, "{decoded} tokens are too few for the test to mean anything");
    assert!(grown < GROWTH, "the process grew by {grown} bytes");
}
