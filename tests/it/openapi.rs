//! The committed OpenAPI document is what the code says.

use std::process::Command;

use steno_tests::clips;
use steno_tests::process::executable;

#[test]
fn the_committed_document_is_what_the_code_says() {
    let committed = std::fs::read_to_string(clips::root().join("openapi.yaml")).unwrap();
    let output = Command::new(executable("steno")).arg("openapi").output().unwrap();
    let generated = String::from_utf8(output.stdout).unwrap();
    assert!(
        committed == generated,
        "openapi.yaml is not up to date; run: target/release/steno openapi > openapi.yaml"
    );
}
