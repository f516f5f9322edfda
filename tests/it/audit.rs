//! The ledger's rules, in SQL of the tests' own. Each is one statement, so that it sees one moment, and each holds
//! at every moment.

use sea_orm_migration::sea_orm::{ConnectionTrait, QueryResult, Statement};
use steno_shared::account::{AccountId, Tier};
use steno_shared::store::Store;

/// What each of these selects breaks the rule that it is named after.
const RULES: &[(&str, &str)] = &[
    (
        "used is the sum of the charges",
        "SELECT account || ' ' || period || ' ' || used AS wrong FROM usage u WHERE used <> COALESCE((\
         SELECT SUM(amount) FROM charge c WHERE c.account = u.account AND c.period = u.period), 0)",
    ),
    (
        "reserved is the sum of the reservations",
        "SELECT account || ' ' || period || ' ' || reserved AS wrong FROM usage u WHERE reserved <> COALESCE((\
         SELECT SUM(amount) FROM reservation r WHERE r.account = u.account AND r.period = u.period), 0)",
    ),
    (
        "granted is the sum of the grants",
        "SELECT account || ' ' || granted AS wrong FROM usage u WHERE granted <> COALESCE((\
         SELECT SUM(amount) FROM credit_grant g WHERE g.account = u.account AND u.period = 'credits'), 0)",
    ),
    (
        "a charge and a reservation have their sums",
        "SELECT job_id || ' ' || period AS wrong FROM (SELECT job_id, account, period FROM charge \
         UNION ALL SELECT job_id, account, period FROM reservation) x WHERE NOT EXISTS (\
         SELECT 1 FROM usage u WHERE u.account = x.account AND u.period = x.period)",
    ),
    (
        "only a job under way and an open session have a reservation",
        "SELECT r.job_id || ' ' || COALESCE(j.state, 'is gone') AS wrong FROM reservation r \
         LEFT JOIN job j ON j.id = r.job_id LEFT JOIN live_session l ON l.id = r.job_id \
         WHERE l.id IS NULL AND (j.state IS NULL OR j.state NOT IN ('queued', 'processing'))",
    ),
    (
        "a job with a result is charged its minutes, once",
        "SELECT j.id AS wrong FROM job j WHERE transcript_key IS NOT NULL AND (SELECT COUNT(*) FROM charge c \
         WHERE c.job_id = j.id AND c.period LIKE 'month:%') <> 1",
    ),
    (
        "a job with a result is charged its credits, once, if its tier costs them",
        "SELECT j.id AS wrong FROM job j WHERE transcript_key IS NOT NULL AND (SELECT COUNT(*) FROM charge c \
         WHERE c.job_id = j.id AND c.period = 'credits') \
         <> CASE WHEN limits LIKE '%\"credits\":true%' THEN 1 ELSE 0 END",
    ),
    (
        "a job with a result is one of its day's transcriptions, once, if its tier counts them",
        "SELECT j.id AS wrong FROM job j WHERE transcript_key IS NOT NULL AND (SELECT COUNT(*) FROM charge c \
         WHERE c.job_id = j.id AND c.period LIKE 'day:%') \
         <> CASE WHEN limits LIKE '%transcriptions_per_day%' THEN 1 ELSE 0 END",
    ),
    (
        "a completed job has a result, unless it was a dry run",
        "SELECT id AS wrong FROM job WHERE state = 'completed' AND transcript_key IS NULL \
         AND options NOT LIKE '%\"dry_run\":true%'",
    ),
    (
        "what has no result is not charged, and a dry run never",
        "SELECT c.job_id || ' ' || j.state AS wrong FROM charge c JOIN job j ON j.id = c.job_id \
         WHERE j.transcript_key IS NULL OR j.options LIKE '%\"dry_run\":true%'",
    ),
    (
        "a charge is of the minutes begun",
        "SELECT c.job_id || ' ' || c.period || ' ' || c.amount AS wrong FROM charge c \
         JOIN job j ON j.id = c.job_id WHERE c.amount <> CASE WHEN c.period LIKE 'day:%' \
         OR j.duration_ms = 0 THEN 1 ELSE (j.duration_ms + 59999) / 60000 END",
    ),
    (
        "no account has more jobs and sessions at once than it may",
        "SELECT account || ' ' || COUNT(*) AS wrong FROM (\
         SELECT account, concurrent FROM job WHERE state = 'processing' UNION ALL \
         SELECT account, CAST(limits ->> 'concurrent' AS INTEGER) AS concurrent FROM live_session) x \
         GROUP BY account HAVING COUNT(*) > MIN(concurrent)",
    ),
    (
        "only a job under way has a stage that is to be done",
        "SELECT s.job_id || ' ' || s.kind AS wrong FROM stage s JOIN job j ON j.id = s.job_id \
         WHERE s.state = 'queued' AND j.state NOT IN ('queued', 'processing')",
    ),
    (
        "a session has reserved no more than it has begun, and nothing without audio",
        "SELECT l.id AS wrong FROM live_session l JOIN reservation r ON r.job_id = l.id \
         WHERE r.amount > (l.audio_ms + 59999) / 60000",
    ),
    (
        "what is reserved or charged of an open session is one of its day's transcriptions at most",
        "SELECT l.id AS wrong FROM live_session l WHERE EXISTS (SELECT 1 FROM charge c WHERE c.job_id = l.id) \
         OR (SELECT COUNT(*) FROM reservation r WHERE r.job_id = l.id AND r.period LIKE 'day:%') > 1",
    ),
    (
        "a job under way has one stage that is to be done, with a diarization beside its transcription or without",
        "SELECT j.id AS wrong FROM job j WHERE j.state IN ('queued', 'processing') AND (SELECT \
         COUNT(DISTINCT CASE s.kind WHEN 'diarize' THEN 'transcribe' ELSE s.kind END) \
         FROM stage s WHERE s.job_id = j.id AND s.state IN ('queued', 'running')) <> 1",
    ),
    (
        "a completed job waits for nothing, and has a transcript unless it was a dry run",
        "SELECT id AS wrong FROM job WHERE state = 'completed' AND (pending_transcript_key IS NOT NULL \
         OR pending_diarization_key IS NOT NULL OR (transcript_key IS NULL) <> (options LIKE '%\"dry_run\":true%'))",
    ),
];

/// The rows of a statement.
pub(crate) async fn rows(store: &Store, sql: &str) -> Vec<QueryResult> {
    let connection = store.connection();
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_all_raw(statement).await.unwrap()
}

/// The number that a statement selects as `n`.
pub(crate) async fn number(store: &Store, sql: &str) -> i64 {
    rows(store, sql).await[0].try_get("", "n").unwrap()
}

/// Holds every rule.
pub(crate) async fn hold(store: &Store) {
    for (rule, sql) in RULES {
        let wrong: Vec<String> =
            rows(store, sql).await.iter().map(|row| row.try_get("", "wrong").unwrap()).collect();
        assert!(wrong.is_empty(), "{rule}; not so: {wrong:?}");
    }
}

/// Holds that no account has taken more than its tier gives.
pub(crate) async fn hold_limits(store: &Store, accounts: &[(AccountId, Tier)]) {
    for row in rows(store, "SELECT account, period, granted, used + reserved AS taken FROM usage").await {
        let text = |name| row.try_get::<String>("", name).unwrap();
        let (account, period) = (text("account"), text("period"));
        let number = |name| row.try_get::<i64>("", name).unwrap();
        let (_, tier) = accounts.iter().find(|(id, _)| id.as_str() == account).unwrap();
        let limit = match period.split(':').next().unwrap() {
            "day" => tier.transcriptions_per_day.map(i64::from),
            "month" => tier.minutes_per_month.map(i64::from),
            _ => Some(number("granted")),
        };
        let taken = number("taken");
        assert!(limit.is_none_or(|limit| taken <= limit), "{account} {period}: {taken} of {limit:?}");
    }
}
