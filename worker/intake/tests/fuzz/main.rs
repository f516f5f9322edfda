//! The fuzz target of native decoding: files of the corpus, damaged by chance, looked at and decoded in this very
//! process, for a few seconds, or minutes with `./test --long`.
//!
//! A panic in our own code fails, and so does a file that takes too long or too much memory. One in a library is
//! told only: there it ends a child, and the file goes to the other decoder. What was at fault is kept in
//! `target/tmp/fuzz`, `current` if this process died of it.

#![expect(clippy::unwrap_used, reason = "what cannot be unwrapped fails the test")]
#![expect(clippy::print_stdout, reason = "what was found is what `--nocapture` is for")]

#[path = "../it/damage.rs"]
mod damage;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use damage::{Chance, damage};
use steno_intake::{NativeInput, Sniffed, decode_unconfined, sniff_file};

const SHORT_RUN: Duration = Duration::from_secs(4);
const LONG_RUN: Duration = Duration::from_secs(240);
/// The files are a quarter of a second long. So much of the processor, in hundredths of a second, is a loop.
const LONGEST: u64 = 3000;
/// The parent ends a child that writes more than is accepted; this is an hour of one channel.
const MOST_OUTPUT: u64 = 3600 * 32_000;
/// Resident, with the corpus and the test itself.
const MOST_MEMORY_KB: u64 = 512 * 1024;

/// Where the last panic was.
static PANICKED: Mutex<Option<String>> = Mutex::new(None);
/// How much of the processor had been used when the file that is being decoded was begun; 0 = none.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// Counts what is written, up to a limit.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        if self.0 > MOST_OUTPUT { Err(io::Error::other("enough")) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let media = entries.filter(|path| path.extension().is_some_and(|extension| extension != "sh"));
    let named = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    };
    let mut files: Vec<_> = media.map(named).collect();
    files.sort();
    files
}

/// What is done to a file as the worker and its child would do it. Returns whether it was decoded natively.
fn look_and_decode(path: &Path, chance: &mut Chance) -> bool {
    let Sniffed::Media(media) = sniff_file(&mut File::open(path).unwrap()).unwrap() else { return false };
    if !media.container.is_native() {
        return false;
    }
    let input = NativeInput {
        container: media.container,
        offset: media.offset,
        track: if chance.below(8) == 0 { 2 } else { 0 },
        multichannel: chance.below(2) == 0,
        file: path.to_owned(),
    };
    decode_unconfined(&input, Counter(0));
    true
}

/// The most memory that this process has had at once.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How much of the processor this process has used, in hundredths of a second.
fn used() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// Ends the process if a file takes too long: nothing else can end a loop.
fn watch(current: PathBuf) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let began = BEGAN.load(Ordering::Relaxed);
            if began > 0 && used() > began + LONGEST {
                println!("{} takes too long", current.display());
                std::process::exit(1);
            }
        }
    });
}

#[test]
fn no_damaged_file_harms_more_than_its_own_decoding() {
    #[expect(clippy::disallowed_methods, reason = "the tests have no other setting")]
    let is_long = std::env::var("STENO_TEST_LONG").is_ok_and(|asked| !asked.is_empty());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (span, seed) = if is_long { (LONG_RUN, now) } else { (SHORT_RUN, 1) };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    let (current, corpus, mut chance) = (folder.join("current"), corpus(), Chance::from(seed));
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        *PANICKED.lock().unwrap() = place;
    }));
    let start = Instant::now();
    watch(current.clone());
    let (mut runs, mut native, mut slowest) = (0, 0, (Duration::ZERO, String::new()));
    let mut panics: BTreeMap<String, (u32, String)> = BTreeMap::new();
    while start.elapsed() < span {
        // Each file once as it is, and then damaged ones.
        let (name, whole) = &corpus[if runs < corpus.len() { runs } else { chance.below(corpus.len()) }];
        let mut content = whole.clone();
        if runs >= corpus.len() {
            let other = &corpus[chance.below(corpus.len())].1;
            damage(&mut content, other, &mut chance);
        }
        std::fs::write(&current, &content).unwrap();
        let began = Instant::now();
        BEGAN.store(used().max(1), Ordering::Relaxed);
        let ended = catch_unwind(AssertUnwindSafe(|| look_and_decode(&current, &mut chance)));
        BEGAN.store(0, Ordering::Relaxed);
        runs += 1;
        native += u32::from(matches!(ended, Ok(true)));
        if began.elapsed() > slowest.0 {
            std::fs::write(folder.join("slowest"), &content).unwrap();
            slowest = (began.elapsed(), name.clone());
        }
        if ended.is_err() {
            let place = PANICKED.lock().unwrap().take().unwrap_or_default();
            let found = panics.entry(place).or_insert_with(|| {
                let kept = format!("panic-{seed}-{runs}-{name}");
                std::fs::write(folder.join(&kept), &content).unwrap();
                (0, kept)
            });
            found.0 += 1;
        }
    }
    let _ = std::panic::take_hook();
    let peak = peak_kb();
    println!(
        "{runs} files in {span:?} from seed {seed}, {native} decoded natively; slowest {slowest:?}; peak {peak} kB"
    );
    for (place, (count, kept)) in &panics {
        println!("{count} panics at {place}, the first kept as {kept}");
    }
    let ours: Vec<_> = panics.keys().filter(|place| !place.contains("/registry/")).collect();
    assert!(ours.is_empty(), "panics in our own code: {ours:?}, see {}", folder.display());
    assert!(peak < MOST_MEMORY_KB, "{peak} kB at once");
    assert!(runs > corpus.len() && native > 0, "{runs} runs, {native} decoded natively");
}
