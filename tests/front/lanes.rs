//! What is urgent never waits behind what is not; who reads too slowly is told to resume.

use serde_json::json;

use crate::{
    chat::{create, say},
    client::{BOTH, Client, Got},
    harness::{TestServer, token},
};

#[tokio::test]
async fn a_broadcast_reaches_everyone_of_the_organisation() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut chief = server.client(kind, "chief", "admin").await;
        let mut guard = server.client(kind, "guard", "agent").await;
        let mut rival = Client::open(&server.base(), kind, &token("guard", "rival", "agent", &[])).await;
        for (priority, lane) in [("high", 0), ("urgent", 1)] {
            let id = format!("{priority}-{kind:?}");
            let data = json!({ "client_id": id, "message": "leave the building", "priority": priority });
            let first = chief.request("system:broadcast", data.clone()).await.unwrap();
            let again = chief.request("system:broadcast", data).await.unwrap();
            assert_eq!(first["seq"], again["seq"]);
            let got = guard
                .wait(|got| matches!(got, Got::Event(_, e) if e["event"] == "system:broadcast"))
                .await;
            let Got::Event(byte, notice) = got else {
                unreachable!()
            };
            assert_eq!(
                notice["data"],
                json!({ "message": "leave the building", "priority": priority })
            );
            if kind == BOTH[0] {
                assert_eq!(byte, lane, "the lane is that of the topic");
            }
        }
        assert!(rival.drain("system:broadcast").await.is_empty());
        let refused = guard
            .request("system:broadcast", json!({ "client_id": "x", "message": "hi" }))
            .await;
        assert_eq!(refused.unwrap_err()["code"], "UNAUTHORIZED");
    }
}
