//! A router that forgets: the client's address changes in mid-session and nobody tells it.

use std::time::{Duration, Instant};

use fanfare_client::Transport;
use tokio::time::sleep;

use crate::{wire::Namespace, world::World};

/// After so much silence the router gives the client another port.
const FORGETS: Duration = Duration::from_secs(2);

#[tokio::test]
#[ignore = "needs namespaces: tests/network/run.sh"]
async fn a_session_survives_a_router_that_forgets() {
    let world = World::start(&[]).await;
    let port = world.address.port();
    // The server's side remembers the ports that it sees.
    Namespace::Server.rules(&format!(
        "table inet seen {{\n\
         set ports {{ type inet_service; flags dynamic; }}\n\
         chain arriving {{\n\
         type filter hook input priority filter\n\
         udp dport {port} add @ports {{ udp sport }}\n\
         }}\n\
         }}\n"
    ));
    Namespace::Client.rules(&format!(
        "table ip router {{\n\
         chain leaving {{\n\
         type nat hook postrouting priority srcnat\n\
         udp dport {port} masquerade to :40000-60000 fully-random\n\
         }}\n\
         }}\n"
    ));
    let forgets = FORGETS.as_secs();
    for timer in ["nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"] {
        std::fs::write(format!("/proc/sys/net/netfilter/{timer}"), forgets.to_string()).unwrap();
    }

    let (ann, _) = world.client("ann", "member", Transport::WebTransport);
    ann.opened().await.unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        sleep(FORGETS + Duration::from_secs(1)).await;
        let start = Instant::now();
        ann.ping().await.unwrap();
        slowest = slowest.max(start.elapsed());
    }
    let stats = ann.stats();
    let ports = Namespace::Server.output("nft", &["-j", "list", "set", "inet", "seen", "ports"]);
    let ports: serde_json::Value = serde_json::from_str(&ports).unwrap();
    let set = ports["nftables"].as_array().unwrap().iter().find_map(|item| item["set"]["elem"].as_array());
    let seen = set.map_or(0, Vec::len);
    println!("one session from {seen} ports; slowest answer after a change {slowest:.1?}");
    assert!(seen >= 3, "the port changed: {ports}");
    assert_eq!((stats.sessions, stats.losses), (1, 0), "the session is the same");
    assert_eq!(world.metric("fanfare_connections").await, 1.0);
    ann.close().await;
}
