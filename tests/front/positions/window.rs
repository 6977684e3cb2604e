//! All agents of an organisation in a span of time, as far as who asks may see them.

use fanfare_proto::JsonFix;
use serde_json::{Value, json};

use crate::{
    positions::live::{fix, now},
    support::{
        client::{BOTH, Client},
        harness::{TestServer, token},
    },
};

/// Every page; answers each fix's agent and counter.
async fn window(client: &mut Client, from: u64, to: u64, more: Value) -> Vec<(String, u64)> {
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut asked = json!({ "from": from, "to": to, "after": after });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let page = client.request("location:window", asked).await.unwrap();
        let fixes = page["fixes"].as_array().unwrap();
        assert!(fixes.len() <= 100 && page.to_string().len() < 32_768, "a page is one frame");
        for fix in fixes {
            let time = fix["fix"]["time"].as_u64().unwrap();
            assert!((from..=to).contains(&time));
            found.push((
                fix["agent_id"].as_str().unwrap().to_owned(),
                fix["fix"]["counter"].as_u64().unwrap(),
            ));
        }
        after = page["next"].clone();
        if after.is_null() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_window_shows_whom_one_may_see() {
    let server = TestServer::with(|config| {
        // What class the fixes are of makes no difference to who asks.
        for (name, list) in [
            ("long-WebTransport", &mut config.retention.long_fix_organisations),
            ("long-WebSocket", &mut config.retention.short_fix_organisations),
        ] {
            list.push(crate::support::store::organisation(name).parse().unwrap());
        }
    })
    .await;
    let base = server.base();
    for kind in BOTH {
        for org in ["plain", "long"].map(|name| format!("{name}-{kind:?}")) {
            let open = async |user: &str, org: &str, role: &str, departments: &[&str]| {
                Client::open(&base, kind, &token(user, org, role, departments)).await
            };
            let start = now() - 600_000;
            let mut expected = Vec::new();
            for (n, name) in ["n1", "n2", "s.1"].into_iter().enumerate() {
                let department = if name.starts_with('n') { "north" } else { "south" };
                let mut agent = open(name, &org, "agent", &[department]).await;
                let fixes: Vec<_> = (0..130)
                    .map(|k| fix(k + 1, start + n as u64 * 250 + k * 1_000, 31.0, 120.0))
                    .map(|fix| json!(JsonFix::from(fix)))
                    .collect();
                agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
                expected.extend((1..=130).map(|counter| (name.to_owned(), counter)));
            }
            // Around midnight they come day by day.
            let sorted = |mut found: Vec<(String, u64)>| {
                found.sort();
                found
            };
            let of = |names: &[&str]| -> Vec<_> {
                expected.iter().filter(|(name, _)| names.contains(&name.as_str())).cloned().collect()
            };
            let (from, to) = (start, start + 200_000);
            let mut chief = open("chief", &org, "admin", &[]).await;
            let mut boss = open("boss", &org, "supervisor", &["north"]).await;
            assert_eq!(sorted(window(&mut chief, from, to, json!({})).await), expected);
            assert_eq!(sorted(window(&mut chief, from, to, json!({ "limit": 7 })).await), expected);
            assert_eq!(sorted(window(&mut chief, 0, (1 << 53) - 1, json!({})).await), expected);
            assert_eq!(sorted(window(&mut boss, from, to, json!({})).await), of(&["n1", "n2"]));
            // Somebody else's place is no way around that.
            let day = start / 86_400_000;
            let made_up = json!({ "from": from, "to": to, "after": format!("{day}.0.0.0.s.1") });
            assert_eq!(boss.request("location:window", made_up).await.unwrap()["fixes"], json!([]));
            let narrowed = json!({ "department_id": "south" });
            assert_eq!(sorted(window(&mut chief, from, to, narrowed).await), of(&["s.1"]));
            let other = json!({ "from": from, "to": to, "department_id": "south" });
            assert_eq!(boss.request("location:window", other).await.unwrap_err()["code"], "ROOM_NOT_FOUND");
            let part = window(&mut chief, start + 10_000, start + 10_300, json!({})).await;
            assert_eq!(sorted(part), [("n1".to_owned(), 11), ("n2".to_owned(), 11)]);

            let mut strange = open("boss", &org, "supervisor", &["west"]).await;
            assert_eq!(window(&mut strange, from, to, json!({})).await, []);
            let rivals = format!("rivals-{kind:?}");
            let mut rival = open("chief", &rivals, "admin", &[]).await;
            assert_eq!(window(&mut rival, from, to, json!({})).await, []);
            let mut agent = open("n1", &org, "agent", &["north"]).await;
            let span = json!({ "from": from, "to": to });
            assert_eq!(agent.request("location:window", span).await.unwrap_err()["code"], "UNAUTHORIZED");
            // The last one is of a day whose end is no number any more.
            for bad in ["x", "1.2", "1.2.3.4.", "1.2.3.4.a b", "18446744073709551615.1.2.3.n1"] {
                for who in [&mut chief, &mut boss] {
                    let bad = json!({ "from": from, "to": to, "after": bad });
                    let refused = who.request("location:window", bad).await.unwrap_err();
                    assert_eq!(refused["code"], "INVALID_MESSAGE");
                }
            }
        }
    }
}

/// A fix is refused where its organisation's class is not kept as long.
#[tokio::test]
async fn a_class_says_how_old_a_fix_may_be() {
    let server = TestServer::with(|config| {
        let [week, _, year] = ["week", "month", "year"].map(crate::support::store::organisation);
        config.retention.short_fix_organisations.push(week.parse().unwrap());
        config.retention.long_fix_organisations.push(year.parse().unwrap());
    })
    .await;
    for kind in BOTH {
        let (day, now) = (86_400_000, now());
        for (name, stored) in [("week", vec![[1, 1]]), ("month", vec![[1, 2]]), ("year", vec![[1, 3]])] {
            let user = format!("a-{kind:?}");
            let mut agent = Client::open(&server.base(), kind, &token(&user, name, "agent", &[])).await;
            let fixes: Vec<_> = [(1, 5), (2, 20), (3, 300), (4, 500)]
                .map(|(counter, days)| json!(JsonFix::from(fix(counter, now - days * day, 1.0, 1.0))))
                .into();
            let answer = agent.request("location:update", json!({ "fixes": fixes })).await.unwrap();
            assert_eq!(answer["stored"], json!(stored), "{name}");
            let rejected = answer["rejected"].as_array().unwrap();
            assert!(rejected.iter().all(|fix| fix["reason"] == "too_old"), "{name}");
            let span = json!({ "agent_id": user, "from": 0, "to": now });
            let track = agent.request("location:history", span).await.unwrap();
            assert_eq!(track["fixes"].as_array().unwrap().len() as u64, stored[0][1], "{name}");
        }
    }
}
