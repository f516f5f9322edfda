//! Webhooks and the outbox.

use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait, TransactionTrait};
use steno_shared::account::AccountId;
use steno_shared::error::FailureCode;
use steno_shared::id::{DeliveryId, WorkerId};
use steno_shared::job::{Lane, NewJob, Priority, Setback};
use steno_shared::store::{AttemptEnd, DueDelivery, NewWebhook, NextStep, Store};
use steno_shared::webhook::{DeliveryState, Event, MAX_JOB_WEBHOOKS, MAX_WEBHOOKS, Webhook, WebhookState};

use super::{Fixture, new_job};

const LEASE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(3600);
const URL: &str = "https://example.com/hook";

async fn webhook(store: &Store, account: &AccountId, url: &str) -> Webhook {
    match store.create_webhook(account, url).await.unwrap() {
        NewWebhook::Made(webhook) => webhook,
        other => panic!("{other:?}"),
    }
}

async fn claim(store: &Store, courier: &str) -> Option<DueDelivery> {
    store.claim_delivery(&WorkerId(courier.to_owned()), LEASE).await.unwrap()
}

fn ended(next: NextStep) -> AttemptEnd {
    AttemptEnd { status: None, error: Some("x".to_owned()), elapsed: Duration::from_millis(7), next }
}

#[tokio::test]
async fn the_end_of_a_job_is_written_for_its_accounts_webhooks_alone() {
    let world = Fixture::new().await;
    let store = &world.store;
    let (ours, theirs) = (AccountId::of_row("a"), AccountId::of_row("b"));
    let (told, stranger) = (webhook(store, &ours, URL).await, webhook(store, &theirs, URL).await);
    let disabled = webhook(store, &ours, "https://example.com/gone").await;
    store.test_webhook(&ours, disabled.id).await.unwrap().unwrap();
    let due = claim(store, "w").await.unwrap();
    assert!(store.end_delivery_attempt(&due, &ended(NextStep::Gone), PATIENCE).await.unwrap());

    let cancelled = world.job("a", Priority::Batch).await;
    assert!(claim(store, "w").await.is_none(), "nothing has ended");
    assert!(store.cancel_job(cancelled).await.unwrap().is_some());
    let failed = world.job("a", Priority::Batch).await;
    let (stage, _) =
        store.claim(Lane::Intake, &WorkerId("w".to_owned()), LEASE, None).await.unwrap().unwrap();
    let reason = "\"ü\" ".repeat(2000);
    store.set_back(&stage, &Setback::retry(FailureCode::Internal, "again")).await.unwrap();
    assert_eq!(store.deliveries(told.id, None, 9).await.unwrap().len(), 1, "a try is no end");
    let stage = loop {
        // Its back-off is a second.
        match store.claim(Lane::Intake, &WorkerId("w".to_owned()), LEASE, None).await.unwrap() {
            Some((stage, _)) => break stage,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    store.set_back(&stage, &Setback::give_up(FailureCode::Internal, reason)).await.unwrap();

    let log = store.deliveries(told.id, None, 9).await.unwrap();
    let said: Vec<_> = log.iter().map(|delivery| (delivery.event, delivery.job)).collect();
    assert_eq!(said, [(Event::JobFailed, Some(failed)), (Event::JobCancelled, Some(cancelled))]);
    assert!(store.deliveries(stranger.id, None, 9).await.unwrap().is_empty());
    assert_eq!(store.deliveries(disabled.id, None, 9).await.unwrap().len(), 1);
    let bodies = [claim(store, "w").await.unwrap(), claim(store, "w").await.unwrap()].map(|due| due.body);
    let failure = bodies.iter().find(|body| body.contains("job.failed")).unwrap();
    assert!(failure.len() < 20_000 && failure.contains(r#""code":"internal""#), "{failure}");
    assert!(bodies.iter().all(|body| !body.contains("/transcript")));
}

#[tokio::test]
async fn a_delivery_has_one_courier_at_a_time_and_a_late_one_writes_nothing() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    let hook = webhook(store, &account, URL).await;
    store.test_webhook(&account, hook.id).await.unwrap().unwrap();
    assert!(store.next_delivery().await.unwrap().unwrap().is_zero());
    let first = store.claim_delivery(&WorkerId("one".to_owned()), Duration::from_millis(1)).await.unwrap();
    let first = first.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let second = claim(store, "two").await.unwrap();
    assert_eq!((first.id, first.number, &first.body), (second.id, second.number, &second.body));
    assert!(claim(store, "three").await.is_none());
    assert!(store.next_delivery().await.unwrap().unwrap() > LEASE / 2, "until the lease runs out");
    assert!(!store.end_delivery_attempt(&first, &ended(NextStep::Delivered), PATIENCE).await.unwrap());
    store.release_delivery(&first).await.unwrap();
    assert!(claim(store, "three").await.is_none(), "the lease is another's");
    let retry = ended(NextStep::Retry(Duration::from_secs(50)));
    assert!(store.end_delivery_attempt(&second, &retry, PATIENCE).await.unwrap());
    assert!(!store.end_delivery_attempt(&second, &retry, PATIENCE).await.unwrap(), "twice");
    let wait = store.next_delivery().await.unwrap().unwrap();
    assert!(wait > Duration::from_secs(40) && wait <= Duration::from_secs(50), "{wait:?}");
    let logged = store.delivery(&account, first.id).await.unwrap().unwrap();
    assert_eq!((logged.state, logged.attempts.len()), (DeliveryState::Pending, 1));
    assert!(store.webhook(&account, hook.id).await.unwrap().unwrap().failing_since.is_some());
    assert!(store.delivery(&AccountId::of_row("b"), first.id).await.unwrap().is_none());
}

#[tokio::test]
async fn one_endpoint_has_four_attempts_at_once_and_a_disabled_one_none() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    let hook = webhook(store, &account, URL).await;
    for _ in 0..6 {
        store.test_webhook(&account, hook.id).await.unwrap().unwrap();
    }
    let mut held = Vec::new();
    while let Some(due) = claim(store, "w").await {
        held.push(due);
    }
    assert_eq!(held.len(), 4);
    // It fails for longer than its patience: those that wait are given up, those under way are the last.
    let failed = ended(NextStep::Retry(Duration::ZERO));
    assert!(store.end_delivery_attempt(&held[0], &failed, Duration::ZERO).await.unwrap());
    let disabled = store.webhook(&account, hook.id).await.unwrap().unwrap();
    assert_eq!(disabled.state, WebhookState::Disabled);
    assert!(claim(store, "w").await.is_none());
    assert!(store.test_webhook(&account, hook.id).await.unwrap().is_none());
    for due in &held[1..] {
        assert!(store.end_delivery_attempt(due, &failed, PATIENCE).await.unwrap());
    }
    assert!(store.next_delivery().await.unwrap().is_none());
    let log = store.deliveries(hook.id, None, 9).await.unwrap();
    assert!(log.iter().all(|delivery| delivery.state == DeliveryState::Failed));
    store.enable_webhook(&account, hook.id).await.unwrap().unwrap();
    assert!(claim(store, "w").await.is_none(), "what was given up stays so");
}

/// However much waits for an endpoint that is busy: a look at it is quick, and takes no turn to write.
#[tokio::test]
async fn a_busy_endpoint_with_much_to_be_told_is_passed_over() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    let (busy, other) =
        (webhook(store, &account, URL).await, webhook(store, &account, "https://example.com/x").await);
    let many = format!(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) INSERT INTO delivery \
         (id, webhook_id, event, body, state, next_at, created_at) \
         SELECT 'msg_' || x, '{}', 'webhook.test', '', 'pending', 0, 0 FROM n",
        busy.id
    );
    let connection = store.connection();
    connection.execute_unprepared(&many).await.unwrap();
    let held = format!(
        "UPDATE delivery SET lease_until = {} WHERE id IN ('msg_1', 'msg_2', 'msg_3', 'msg_4')",
        i64::MAX
    );
    assert_eq!(connection.execute_unprepared(&held).await.unwrap().rows_affected(), 4);
    let writing = Store::open(&world.url).await.unwrap();
    let turn = writing.connection().begin().await.unwrap();
    turn.execute_unprepared("UPDATE webhook SET url = url").await.unwrap();
    let look = tokio::time::timeout(Duration::from_secs(5), claim(store, "w")).await;
    assert!(look.expect("a look waits for no turn").is_none());
    turn.rollback().await.unwrap();
    let told = store.test_webhook(&account, other.id).await.unwrap().unwrap();
    let claimed = tokio::time::timeout(Duration::from_secs(5), claim(store, "w")).await;
    assert_eq!(claimed.unwrap().unwrap().id, told);
}

#[tokio::test]
async fn a_failure_long_after_another_disables_nothing_unless_something_was_to_be_told() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    let hook = webhook(store, &account, URL).await;
    let fail = async |next: NextStep| {
        let due = claim(store, "w").await.unwrap();
        assert!(store.end_delivery_attempt(&due, &ended(next), PATIENCE).await.unwrap());
        store.webhook(&account, hook.id).await.unwrap().unwrap()
    };
    let months_pass = "UPDATE webhook SET failing_since = failing_since - 5000000000, \
                       idle_since = idle_since - 5000000000";
    store.test_webhook(&account, hook.id).await.unwrap().unwrap();
    let before = fail(NextStep::GiveUp).await.failing_since.unwrap();
    store.connection().execute_unprepared(months_pass).await.unwrap();
    store.test_webhook(&account, hook.id).await.unwrap().unwrap();
    let failing = fail(NextStep::Retry(Duration::ZERO)).await;
    assert_eq!(failing.state, WebhookState::Enabled);
    assert!(failing.failing_since.unwrap() >= before, "it began anew");
    // From here on something is to be told all the time.
    store.connection().execute_unprepared(months_pass).await.unwrap();
    assert_eq!(fail(NextStep::Retry(Duration::ZERO)).await.state, WebhookState::Disabled);
}

#[tokio::test]
async fn endpoints_named_with_jobs_are_found_again_and_counted_apart() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    let named = store.webhook_for_jobs(&account, URL).await.unwrap().unwrap();
    assert_eq!(store.webhook_for_jobs(&account, URL).await.unwrap(), Some(named));
    let other = store.webhook_for_jobs(&AccountId::of_row("b"), URL).await.unwrap();
    assert_ne!(other, Some(named));
    for number in 0..MAX_WEBHOOKS {
        webhook(store, &account, &format!("{URL}/{number}")).await;
    }
    assert_eq!(store.create_webhook(&account, URL).await.unwrap(), NewWebhook::TooMany);
    // It is not told of jobs that do not name it.
    let job = world.job("a", Priority::Batch).await;
    assert!(store.cancel_job(job).await.unwrap().is_some());
    assert!(store.deliveries(named, None, 9).await.unwrap().is_empty());
    let new = NewJob { webhook: Some(named.to_string()), ..new_job("a") };
    store.create_job(&new).await.unwrap();
    assert!(store.cancel_job(new.id).await.unwrap().is_some());
    assert_eq!(store.deliveries(named, None, 9).await.unwrap()[0].job, Some(new.id));
    assert!(store.remove_webhook(&account, named).await.unwrap());
    assert!(!store.remove_webhook(&account, named).await.unwrap());
    assert_eq!(store.sweep_deliveries().await.unwrap(), 0);
    assert!(store.delivery(&account, DeliveryId::random()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_endpoint_that_no_job_came_of_is_forgotten_an_hour_later() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    for number in 0..MAX_JOB_WEBHOOKS {
        store.webhook_for_jobs(&account, &format!("{URL}/{number}")).await.unwrap().unwrap();
    }
    assert_eq!(store.webhook_for_jobs(&account, URL).await.unwrap(), None);
    assert_eq!(store.sweep_deliveries().await.unwrap(), 0);
    assert_eq!(
        store.webhooks(&account).await.unwrap().len(),
        MAX_JOB_WEBHOOKS as usize,
        "a job may come yet"
    );
    let earlier = "UPDATE webhook SET created_at = created_at - 3601000, named_at = NULL";
    store.connection().execute_unprepared(earlier).await.unwrap();
    let again = store.webhook_for_jobs(&account, &format!("{URL}/7")).await.unwrap().unwrap();
    store.sweep_deliveries().await.unwrap();
    let left: Vec<_> = store.webhooks(&account).await.unwrap().iter().map(|webhook| webhook.id).collect();
    assert_eq!(left, [again], "it was named a moment ago");
    assert!(store.webhook_for_jobs(&account, URL).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_a_month_old_is_forgotten_and_an_endpoint_in_use_is_not() {
    let world = Fixture::new().await;
    let store = &world.store;
    let account = AccountId::of_row("a");
    let lasting = webhook(store, &account, URL).await;
    let [unused, used, awaited] = ["unused", "used", "awaited"].map(|name| format!("{URL}/{name}"));
    let mut named = Vec::new();
    for url in [&unused, &used, &awaited] {
        named.push(store.webhook_for_jobs(&account, url).await.unwrap().unwrap());
    }
    store.test_webhook(&account, lasting.id).await.unwrap().unwrap();
    let waiting = NewJob { webhook: Some(named[2].to_string()), ..new_job("a") };
    store.create_job(&waiting).await.unwrap();
    let connection = store.connection();
    for table in ["webhook", "delivery"] {
        let sql = format!("UPDATE {table} SET created_at = created_at - 31 * 86400000");
        connection.execute_unprepared(&sql).await.unwrap();
    }
    store.test_webhook(&account, named[1]).await.unwrap().unwrap();
    assert_eq!(store.sweep_deliveries().await.unwrap(), 1);
    let left: Vec<_> = store.webhooks(&account).await.unwrap().iter().map(|webhook| webhook.id).collect();
    assert!(!left.contains(&named[0]) && [lasting.id, named[1], named[2]].iter().all(|id| left.contains(id)));
    assert!(store.deliveries(lasting.id, None, 9).await.unwrap().is_empty());
    assert_eq!(store.deliveries(named[1], None, 9).await.unwrap().len(), 1);
}
