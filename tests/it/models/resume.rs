//! Downloads that break off, and go on where they stopped or, where they must, from the beginning.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const LENGTH: usize = 6 << 20;

#[tokio::test]
async fn connections_cut_anywhere_are_taken_up_to_the_byte() {
    let content = weights(LENGTH);
    let cuts: Vec<usize> = {
        let mut random = StdRng::seed_from_u64(7);
        (0..5).map(|_| random.random_range(1..2_000_000)).collect()
    };
    let hub =
        Hub::start(content.clone(), move |ask| Serve { cut: cuts.get(ask.nth).copied(), ..Serve::default() });
    let hub = hub.await;
    let shelf = Shelf::at(&hub, &content);
    let done = shelf.pull().await;
    done.ok();
    assert!(done.err.contains("; trying again in 0.5 s"), "{}", done.err);
    shelf.holds(&content).await;
    let asked = hub.asked();
    assert!(asked.len() >= 5, "{asked:?}");
    assert!(asked[1..].windows(2).all(|two| two[0].from < two[1].from), "{asked:?}");
    assert!(asked[1..].iter().all(|ask| ask.if_range.as_deref() == Some("\"one\"")), "{asked:?}");
}

#[tokio::test]
async fn a_server_that_cannot_go_on_is_asked_for_all_of_it() {
    let content = weights(500_000);
    for (ranges, status) in [(false, None), (true, Some(416))] {
        let hub = Hub::start(content.clone(), move |ask| match ask.nth {
            0 => Serve { ranges, cut: Some(300_000), ..Serve::default() },
            1 => Serve { ranges, status, ..Serve::default() },
            _ => Serve { ranges, ..Serve::default() },
        })
        .await;
        let shelf = Shelf::at(&hub, &content);
        shelf.pull().await.ok();
        shelf.holds(&content).await;
        assert_eq!(hub.asked()[1].from, Some(300_000));
        assert_eq!(hub.asked().len(), if status.is_some() { 3 } else { 2 });
    }
}

#[tokio::test]
async fn a_file_that_changes_meanwhile_is_not_mixed_with_its_older_self() {
    let (old, new) = (weights(500_000).into_iter().rev().collect::<Vec<_>>(), weights(500_000));
    // The second server does not look at the version that it is asked for.
    for any_version in [false, true] {
        let old = old.clone();
        let hub = Hub::start(new.clone(), move |ask| match ask.nth {
            0 => Serve { content: Some(old.clone()), cut: Some(300_000), ..Serve::default() },
            _ => Serve { tag: Some("\"two\""), any_version, ..Serve::default() },
        })
        .await;
        let shelf = Shelf::at(&hub, &new);
        let done = shelf.pull().await;
        done.ok();
        shelf.holds(&new).await;
        assert_eq!(done.err.contains("the file has changed on the server"), any_version, "{}", done.err);
        assert_eq!(hub.asked().last().unwrap().from.is_some(), !any_version);
    }
}

#[tokio::test]
async fn without_a_version_or_with_a_weak_one_the_checksum_decides() {
    let content = weights(500_000);
    for tag in [None, Some("W/\"one\"")] {
        let hub = Hub::start(content.clone(), move |ask| Serve {
            tag,
            cut: (ask.nth == 0).then_some(300_000),
            ..Serve::default()
        })
        .await;
        let shelf = Shelf::at(&hub, &content);
        shelf.pull().await.ok();
        shelf.holds(&content).await;
        let second = hub.asked()[1].clone();
        assert_eq!((second.from, second.if_range), (Some(300_000), None));
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let content = weights(1000);
    let hub = Hub::start(content.clone(), |ask| match ask.nth {
        0 => Serve::status(500),
        1 => Serve { headers: "retry-after: 1\r\n".to_owned(), ..Serve::status(503) },
        2 => Serve { headers: "retry-after: 0\r\n".to_owned(), ..Serve::status(429) },
        _ => Serve::default(),
    })
    .await;
    let shelf = Shelf::at(&hub, &content);
    let done = shelf.pull().await;
    done.ok();
    for pause in
        ["500 Internal Server Error; trying again in 0.5 s", "Unavailable; trying again in 1 s", "in 0 s"]
    {
        assert!(done.err.contains(pause), "{pause}: {}", done.err);
    }
    shelf.holds(&content).await;
}
