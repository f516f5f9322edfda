//! What the racing processes of the ledger's test and the test itself agree on: the accounts, the workers'
//! outputs.

use steno_shared::account::{AccountId, Tier};
use steno_shared::job::{Claim, StageKind, Upload};
use steno_shared::object::ObjectKey;
use steno_shared::store::{BranchEnd, FetchOutput, IntakeEnd, IntakeOutput, Store, StoreError};
use steno_shared::time::Millis;

/// The accounts that race, with limits that a race of seconds reaches.
#[must_use]
pub fn accounts() -> Vec<(AccountId, Tier)> {
    let tier =
        |concurrent, queued| Tier { concurrent: Some(concurrent), queued: Some(queued), ..Tier::default() };
    let accounts = [
        ("daily", Tier { transcriptions_per_day: Some(30), ..tier(2, 6) }),
        ("monthly", Tier { minutes_per_month: Some(100), ..tier(2, 10) }),
        ("paid", Tier { credits: true, ..tier(5, 20) }),
        (
            "tight",
            Tier {
                transcriptions_per_day: Some(20),
                minutes_per_month: Some(40),
                credits: true,
                ..tier(1, 3)
            },
        ),
        ("unlimited", Tier { concurrent: Some(3), ..Tier::default() }),
    ];
    accounts.into_iter().map(|(name, tier)| (AccountId::of_row(name), tier)).collect()
}

/// Ends a stage with an output, as its worker would. False if that came too late.
///
/// # Errors
/// If the database says no.
pub async fn finish(store: &Store, claim: &Claim) -> Result<bool, StoreError> {
    match claim.stage {
        StageKind::Fetch => {
            let key = ObjectKey::upload(claim.job);
            let upload = Upload { key, bytes: 1, sha256: String::new() };
            store.finish_fetch(claim, &FetchOutput { upload, file_name: None }).await
        }
        StageKind::Intake => {
            let samples = ObjectKey::samples(claim.job, claim.attempt);
            let output =
                IntakeOutput { samples, duration: duration(claim), channels: 1, warnings: Vec::new() };
            store.finish_intake(claim, &output).await.map(|end| end != IntakeEnd::Lost)
        }
        StageKind::Transcribe => {
            let key = ObjectKey::transcript(claim.job, claim.attempt);
            store.finish_transcribe(claim, &key).await.map(|end| end != BranchEnd::Lost)
        }
        StageKind::Diarize => {
            let key = ObjectKey::diarization(claim.job, claim.attempt);
            store.finish_diarize(claim, &key).await.map(|end| end != BranchEnd::Lost)
        }
    }
}

/// Up to five minutes, the same for a job each time.
fn duration(claim: &Claim) -> Millis {
    let sum: u64 = claim.job.to_string().bytes().map(u64::from).sum();
    Millis(sum * 7919 % 300_000)
}
