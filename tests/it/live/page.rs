//! How the page /live is served.

use reqwest::Method;
use steno_tests::client::answer;
use steno_tests::world::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_its_parts_are_served_to_anybody() {
    let world = Plan::default().set("STENO_ANONYMOUS", "off").lanes(&[]).start().await;
    let client = world.client();
    for (path, content_type, part) in [
        ("/live", "text/html; charset=utf-8", "src=\"/live.js\""),
        ("/live.css", "text/css; charset=utf-8", "color-scheme: light dark"),
        ("/live.js", "text/javascript; charset=utf-8", "\"/recorder.js\""),
        ("/recorder.js", "text/javascript; charset=utf-8", "registerProcessor"),
    ] {
        let page = client.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), content_type);
        assert_eq!(page.header("cache-control"), "no-cache");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(page.body.contains(part), "{path}: {}", page.body);
        // What the policy would forbid, and what would let a text become markup.
        for never in ["<script>", " onclick=", " style=", "innerHTML", "://cdn", "eval("] {
            assert!(!page.body.contains(never), "{path} has {never}");
        }
        let refused = answer(client.request(Method::POST, path)).await;
        assert_eq!(refused.header("allow"), "GET");
        assert!(refused.refused(405).contains("GET"));
    }
}
