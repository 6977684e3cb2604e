//! What one supervisor sees, each value checked against what was sent.

use std::{collections::HashMap, rc::Rc};

use fanfare_proto::{
    JsonFix,
    event::AliasedAgent,
    tick::{self, Tick},
};
use serde::Deserialize;

use super::{AGENTS, Plan};
use crate::load::{System, dialect::starts, link::Got};

/// Bits for the fixes of one agent that have come: more than a run sends.
type Seen = [u64; 8];

#[derive(Debug)]
pub struct Watcher {
    system: System,
    plan: Rc<Plan>,
    /// Distinct fixes that came.
    pub delivered: u64,
    /// Fixes that had come already.
    pub repeats: u64,
    /// Values that nobody sent.
    pub wrong: u64,
    /// Time from sending to receiving of each fix, in microseconds.
    pub ages: Vec<u32>,
    seen: Vec<Seen>,
    aliases: HashMap<u32, usize>,
    /// Of agents that are not known yet: a datagram may overtake the event that names them.
    held: Vec<Tick>,
}

/// Socket.IO's event, as Fanfare's but with the agent's id in it.
#[derive(Deserialize)]
struct Update<'a> {
    agent_id: &'a str,
    #[serde(flatten)]
    fix: JsonFix,
}

#[derive(Deserialize)]
struct Agents {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    agents: Vec<AliasedAgent>,
}

impl Watcher {
    pub fn new(system: System, plan: Rc<Plan>) -> Self {
        Self {
            system,
            plan,
            delivered: 0,
            repeats: 0,
            wrong: 0,
            ages: Vec::new(),
            seen: vec![Seen::default(); AGENTS],
            aliases: HashMap::new(),
            held: Vec::new(),
        }
    }

    /// Takes what came.
    pub fn take(&mut self, got: &Got) {
        match got {
            Got::Packet(packet) => {
                for tick in tick::unpack_ticks(packet).unwrap().ticks {
                    self.take_tick(tick);
                }
            }
            Got::Text(text) if self.system.is_fanfare() => {
                if starts(text, r#"{"event":"location:agents""#) {
                    let event: Agents = serde_json::from_slice(text).unwrap();
                    self.take_agents(event.data.agents);
                }
            }
            Got::Text(text) => {
                if starts(text, r#"42["location:update""#) {
                    let (_, update): (&str, Update<'_>) = serde_json::from_slice(&text[2..]).unwrap();
                    let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
                    let position = (e7(update.fix.lat), e7(update.fix.lon));
                    self.note(agent(update.agent_id), update.fix.time.0, position);
                }
            }
        }
    }

    fn take_agents(&mut self, agents: Vec<AliasedAgent>) {
        for named in agents {
            let agent = agent(named.agent_id.as_str());
            self.aliases.insert(named.alias, agent);
            if let Some(fix) = named.fix {
                let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
                self.note(agent, fix.time.0, (e7(fix.lat), e7(fix.lon)));
            }
        }
        for tick in std::mem::take(&mut self.held) {
            self.take_tick(tick);
        }
    }

    fn take_tick(&mut self, tick: Tick) {
        match self.aliases.get(&tick.alias) {
            Some(agent) => self.note(*agent, tick.time.0, tick.position.e7()),
            None => self.held.push(tick),
        }
    }

    fn note(&mut self, agent: usize, time: u64, position: (i32, i32)) {
        let number = self.plan.number(agent, time);
        let Some((n, age)) = number.and_then(|n| Some((n, self.plan.age(agent, n)?))) else {
            self.wrong += 1;
            return;
        };
        if position != Plan::position(agent, n) {
            self.wrong += 1;
            return;
        }
        let (word, bit) = (&mut self.seen[agent][n / 64], 1 << (n % 64));
        if *word & bit != 0 {
            self.repeats += 1;
            return;
        }
        *word |= bit;
        self.delivered += 1;
        self.ages.push(age.as_micros() as u32);
    }

    /// Agents of which the newest fix has not come, when `sent` were sent in all.
    pub fn behind(&self, sent: u64) -> u64 {
        let newest = |agent: usize| (sent as usize - 1 - agent) / AGENTS;
        let came = |agent: usize, n: usize| self.seen[agent][n / 64] & (1 << (n % 64)) != 0;
        (0..AGENTS).filter(|agent| !came(*agent, newest(*agent))).count() as u64
    }
}

/// The number in an agent's id.
fn agent(id: &str) -> usize {
    id.strip_prefix("agent-").unwrap().parse().unwrap()
}
