//! What the network does. Packets are dropped where they arrive, on both sides: dropped where they leave, the sender
//! would be told.

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// The server's address.
pub const SERVER: [u8; 4] = [10, 77, 0, 1];
/// A second address of the clients, which nothing is done to: there the test looks at the server's numbers.
pub const OBSERVER: [u8; 4] = [10, 77, 0, 3];

/// What the network does, each way.
#[derive(Debug, Clone, Copy)]
pub enum Wire {
    /// Loses this many of 100 UDP packets, and nothing of TCP.
    LosesUdp(u8),
    /// Loses this many of 100 packets.
    Loses(u8),
    /// Lets nothing through.
    Cut,
}

impl Wire {
    /// Makes the network so, at once.
    pub fn set(self) {
        let drop = match self {
            Self::LosesUdp(percent) => {
                format!("meta l4proto udp numgen random mod 100 < {percent} counter drop")
            }
            Self::Loses(percent) => format!("numgen random mod 100 < {percent} counter drop"),
            Self::Cut => "counter drop".into(),
        };
        let [a, b, c, d] = OBSERVER;
        for (namespace, side) in [(Namespace::Server, "saddr"), (Namespace::Client, "daddr")] {
            namespace.rules(&format!(
                "table inet wire\n\
                 delete table inet wire\n\
                 table inet wire {{\n\
                 chain arriving {{\n\
                 type filter hook input priority filter\n\
                 iifname lo accept\n\
                 ip {side} {a}.{b}.{c}.{d} accept\n\
                 {drop}\n\
                 }}\n\
                 }}\n"
            ));
        }
    }

    /// Packets that were dropped since it was last set.
    pub fn dropped() -> u64 {
        let tables = [Namespace::Server, Namespace::Client].map(|namespace| {
            let rules = namespace.output("nft", &["-j", "list", "table", "inet", "wire"]);
            let rules: serde_json::Value = serde_json::from_str(&rules).unwrap();
            let items = rules["nftables"].as_array().unwrap().iter();
            let expressions = items.filter_map(|item| item["rule"]["expr"].as_array()).flatten();
            expressions.filter_map(|expression| expression["counter"]["packets"].as_u64()).sum::<u64>()
        });
        tables.iter().sum()
    }
}

/// One of the two namespaces.
#[derive(Debug, Clone, Copy)]
pub enum Namespace {
    Server,
    Client,
}

impl Namespace {
    fn name(self) -> String {
        let variable = match self {
            Self::Server => "NETWORK_TEST_SERVER",
            Self::Client => "NETWORK_TEST_CLIENT",
        };
        std::env::var(variable).expect("run by tests/network/run.sh")
    }

    /// A program that runs in it.
    pub fn command(self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(), program]);
        command
    }

    /// Gives these rules to its packet filter.
    pub fn rules(self, rules: &str) {
        let mut nft = self.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft does not take:\n{rules}");
    }

    /// What a program in it prints.
    pub fn output(self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
