//! The programs that docs/live.md shows.

use steno_tests::clips;

/// The program in a language that docs/live.md shows, for the server on this port.
pub(crate) fn program(language: &str, port: u16) -> String {
    let page = std::fs::read_to_string(clips::root().join("docs/live.md")).unwrap();
    let (_, program) = page.split_once(&format!("```{language}\n")).unwrap();
    let (program, _) = program.split_once("```").unwrap();
    assert!(program.contains("//127.0.0.1:8080/"));
    program.replace("//127.0.0.1:8080/", &format!("//127.0.0.1:{port}/"))
}
