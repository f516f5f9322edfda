//! Nobody gets in by guessing keys, and no key is in any log.

use std::collections::HashSet;
use std::time::Instant;

use rand::RngExt;
use steno_shared::key::ApiKey;
use steno_tests::client::Client;
use steno_tests::is_long_run;
use steno_tests::world::Plan;

const CLIENTS: usize = 8;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn digits(count: usize) -> String {
    let mut rng = rand::rng();
    (0..count).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())])).collect()
}

/// The text with the checksum that a key of these digits has: a CRC-32 in base 62.
fn signed(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes()) as usize;
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.push(char::from(DIGITS[rest % 62]));
        rest /= 62;
    }
    text.chars().chain(checksum.into_iter().rev()).collect()
}

/// A key that opens nothing: at random, or nearly the one that does.
fn guess(number: usize, key: &ApiKey) -> String {
    match number % 5 {
        0 => digits(53),
        1 => format!("stn_{}_{}", digits(10), digits(38)),
        2 => {
            let mut letters = key.reveal().as_bytes().to_vec();
            let at = rand::rng().random_range(0..letters.len());
            let other = *DIGITS.iter().find(|digit| **digit != letters[at]).unwrap();
            letters[at] = if letters[at] == b'0' { other } else { b'0' };
            String::from_utf8(letters).unwrap()
        }
        // An unknown id, and a known one with another secret, both with right checksums.
        3 => signed(&format!("stn_{}_{}", digits(10), digits(32))),
        _ => signed(&format!("stn_{}_{}", key.id(), digits(32))),
    }
}

/// Tries keys one after the other over one connection. Returns them.
async fn attack(client: Client, key: ApiKey, guesses: usize) -> Vec<String> {
    let mut tried = Vec::new();
    for number in 0..guesses {
        let guess = guess(number, &key);
        assert_ne!(guess, key.reveal());
        let answer = client.clone().with_key(&guess).get("/v1/usage").await;
        assert_eq!(answer.status, 401, "{guess}: {}", answer.body);
        assert!(!answer.body.contains(&guess[guess.len() - 38..]), "{}", answer.body);
        tried.push(guess);
    }
    tried
}

#[test]
fn the_checksums_of_the_guesses_are_right() {
    let key = ApiKey::random();
    assert_eq!(signed(&key.reveal()[..47]), key.reveal());
    for number in [3, 4] {
        assert!(guess(number, &key).parse::<ApiKey>().is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_guess_opens_anything_and_no_key_is_logged() {
    let guesses = if is_long_run() { 100_000 } else { 10_000 };
    let world = Plan::default().lanes(&[]).set("STENO_LOG", "debug").start().await;
    let (key, _) = world.key_of_tier("unlimited").await;
    let (revoked, _) = world.key_of_tier("unlimited").await;
    assert!(world.store().await.revoke_key(revoked.id()).await.unwrap());
    let began = Instant::now();
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(attack(world.client(), key.clone(), guesses / CLIENTS))).collect();
    let mut used = vec![key.reveal().to_owned(), revoked.reveal().to_owned()];
    for client in clients {
        used.extend(client.await.unwrap());
    }
    let took = began.elapsed().as_secs_f64();
    println!("{} guesses refused in {took:.1} s, {:.0} a second", used.len() - 2, used.len() as f64 / took);
    assert_eq!(world.client().with_key(key.reveal()).get("/v1/usage").await.status, 200);
    assert_eq!(world.client().with_key(revoked.reveal()).get("/v1/usage").await.status, 401);
    let in_path = format!("/v1/jobs/{}", key.reveal());
    assert_eq!(world.client().get(&in_path).await.status, 404);
    assert_eq!(world.client().get(&format!("/v1/usage?token={}", key.reveal())).await.status, 200);

    // The 38 letters at its end are what makes a key one: none of them, of any, is anywhere in the logs.
    let secrets: HashSet<&[u8]> = used.iter().map(|key| &key.as_bytes()[key.len() - 38..]).collect();
    let written = world.written();
    assert!(written.contains("listening"), "these are no logs");
    let found = written.as_bytes().windows(38).find(|window| secrets.contains(window));
    assert!(found.is_none(), "a key is in the logs: {:?}", found.map(String::from_utf8_lossy));
}
