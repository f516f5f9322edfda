//! `/v1/admin`: keys and accounts, by an admin key alone.

use reqwest::Method;
use serde_json::{Value, json};
use steno_shared::key::ApiKey;
use steno_shared::store::{NewKey, Owner};
use steno_tests::client::{Answer, Client, answer};
use steno_tests::world::{Plan, World};

/// A server without workers: none is needed here.
async fn world() -> World {
    Plan::default().lanes(&[]).start().await
}

/// A client with a key of this right.
async fn client(world: &World, admin: bool) -> Client {
    let key = ApiKey::random();
    let new = NewKey { label: "test".into(), owner: Owner::New("unlimited".into()), admin };
    world.store().await.add_key(&key, &new).await.unwrap().unwrap();
    world.client().with_key(key.reveal())
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Answer {
    answer(client.request(method, path).json(body)).await
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let mut world = world().await;
    let admin = client(&world, true).await;
    let wanted = json!({"tier": "paid", "label": "Ada", "credits": 10});
    let made = send(&admin, Method::POST, "/v1/admin/keys", &wanted).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let key: ApiKey = made["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        (&made["id"], &made["tier"], &made["label"]),
        (&json!(key.id()), &json!("paid"), &json!("Ada"))
    );
    assert_eq!(made["admin"], false);
    let account = made["account"].as_str().unwrap();
    let second = json!({"account": account, "admin": true, "label": null});
    let second = send(&admin, Method::POST, "/v1/admin/keys", &second).await.json();
    assert_eq!((&second["account"], &second["admin"]), (&json!(account), &json!(true)));

    let listed = admin.get("/v1/admin/keys").await;
    let keys = listed.ok()["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 3);
    assert_eq!(keys[1]["id"], key.id());
    assert!(!listed.body.contains("stn_") && !listed.body.contains("hash"), "{}", listed.body);

    let holder = world.client().with_key(key.reveal());
    assert_eq!(holder.get("/v1/jobs/nobody").await.refused(404), "no such job");
    let path = format!("/v1/admin/keys/{}", key.id());
    assert_eq!(admin.delete(&path).await.status, 204);
    assert!(holder.get("/v1/jobs/nobody").await.refused(401).contains("revoked"));
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_eq!(admin.delete("/v1/admin/keys/nobody").await.refused(404), "no such key");
    // A revoked admin key manages nothing.
    let other = world.client().with_key(second["key"].as_str().unwrap());
    assert_eq!(other.get("/v1/admin/accounts").await.status, 200);
    assert_eq!(admin.delete(&format!("/v1/admin/keys/{}", second["id"].as_str().unwrap())).await.status, 204);
    assert!(other.get("/v1/admin/accounts").await.refused(401).contains("revoked"));
    let log = world.api().log();
    assert!(log.contains(key.id()) && !log.contains(key.reveal()), "a key is in the log");
}

#[tokio::test]
async fn accounts_are_listed_moved_and_given_credits() {
    let world = world().await;
    let admin = client(&world, true).await;
    let made =
        send(&admin, Method::POST, "/v1/admin/keys", &json!({"tier": "paid", "credits": 10})).await.json();
    let account = made["account"].as_str().unwrap();
    let credits = format!("/v1/admin/accounts/{account}/credits");
    let granted = send(&admin, Method::POST, &credits, &json!({"credits": 5, "note": "sorry"})).await.ok();
    assert_eq!(
        granted,
        json!({"account": account, "granted": 15, "used": 0, "reserved": 0, "remaining": 15})
    );
    let path = format!("/v1/admin/accounts/{account}");
    let moved = send(&admin, Method::PATCH, &path, &json!({"tier": "free"})).await.ok();
    assert_eq!((&moved["id"], &moved["tier"]), (&json!(account), &json!("free")));
    let accounts = admin.get("/v1/admin/accounts").await.ok();
    assert_eq!(accounts["accounts"][1], moved);
    assert_eq!(admin.get("/v1/admin/keys").await.ok()["keys"][1]["tier"], "free");
}

#[tokio::test]
async fn nobody_else_is_served_and_nothing_is_read_of_what_they_send() {
    let world = world().await;
    let plain = client(&world, false).await;
    let calls = [
        (Method::POST, "/v1/admin/keys"),
        (Method::GET, "/v1/admin/keys"),
        (Method::DELETE, "/v1/admin/keys/x"),
        (Method::GET, "/v1/admin/accounts"),
        (Method::PATCH, "/v1/admin/accounts/x"),
        (Method::POST, "/v1/admin/accounts/x/credits"),
    ];
    for (method, path) in calls {
        // Not JSON, and far too long: the refusal is of the caller all the same.
        let body = vec![b'x'; 1 << 20];
        let call = |client: &Client| answer(client.request(method.clone(), path).body(body.clone()));
        let refused = call(&world.client()).await;
        assert_eq!(refused.json()["code"], "invalid_key", "{method} {path}");
        assert!(refused.refused(401).contains("needs an API key"));
        let refused = call(&plain).await;
        assert_eq!(refused.json()["code"], "forbidden", "{method} {path}");
        assert!(refused.refused(403).contains("needs an admin key"));
        let wrong = ApiKey::random();
        assert!(
            call(&world.client().with_key(wrong.reveal())).await.refused(401).contains("unknown or revoked")
        );
    }
}

#[tokio::test]
async fn bad_input_is_refused_with_what_would_be_good() {
    let world = world().await;
    let admin = client(&world, true).await;
    let account =
        admin.get("/v1/admin/accounts").await.ok()["accounts"][0]["id"].as_str().unwrap().to_owned();
    let (path, credits) =
        (format!("/v1/admin/accounts/{account}"), format!("/v1/admin/accounts/{account}/credits"));
    for (method, path, body, status, sentence) in [
        (Method::POST, "/v1/admin/keys", json!({}), 400, "a new account needs a tier: anonymous, free"),
        (
            Method::POST,
            "/v1/admin/keys",
            json!({"tier": "gold"}),
            400,
            "there are: anonymous, free, paid, unlimited",
        ),
        (Method::POST, "/v1/admin/keys", json!({"tier": []}), 400, "not as it must be"),
        (Method::POST, "/v1/admin/keys", json!([]), 400, "not as it must be"),
        (Method::POST, "/v1/admin/keys", json!({"account": "acc_x"}), 404, "no such account"),
        (
            Method::POST,
            "/v1/admin/keys",
            json!({"account": account, "tier": "free"}),
            400,
            "does not change that",
        ),
        (Method::POST, "/v1/admin/keys", json!({"tier": "free", "credits": 0}), 400, "at least 1"),
        (Method::POST, "/v1/admin/keys", json!({"tier": "free", "credits": -1}), 400, "not as it must be"),
        (
            Method::POST,
            "/v1/admin/keys",
            json!({"tier": "free", "label": "x".repeat(300)}),
            400,
            "at most 200",
        ),
        (Method::PATCH, &path, json!({"tier": "gold"}), 400, "there is no tier \"gold\""),
        (Method::PATCH, &path, json!({}), 400, "not as it must be"),
        (Method::PATCH, "/v1/admin/accounts/acc_x", json!({"tier": "free"}), 404, "no such account"),
        (Method::POST, &credits, json!({"credits": 0}), 400, "at least 1"),
        (Method::POST, &credits, json!({"credits": 5_000_000_000_u64}), 400, "not as it must be"),
        (Method::POST, "/v1/admin/accounts/acc_x/credits", json!({"credits": 5}), 404, "no such account"),
    ] {
        let refused = send(&admin, method, path, &body).await.refused(status);
        assert!(refused.contains(sentence), "{path} {body}: {refused}");
    }
    for (body, sentence) in [("{", "the body is not JSON"), ("", "the body is not JSON")] {
        let refused = answer(admin.request(Method::POST, "/v1/admin/keys").body(body)).await.refused(400);
        assert!(refused.contains(sentence), "{refused}");
    }
    let large = format!("{{\"tier\": \"free\", \"label\": \"{}\"}}", "x".repeat(70_000));
    let refused = answer(admin.request(Method::POST, "/v1/admin/keys").body(large)).await.refused(400);
    assert!(refused.contains("larger than 64 KiB"), "{refused}");
    // Nothing of all that was made.
    assert_eq!(admin.get("/v1/admin/keys").await.ok()["keys"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get("/v1/admin/accounts").await.ok()["accounts"].as_array().unwrap().len(), 1);
}
