//! What the system says of a process: `/proc`.

use std::{fs, time::Duration};

/// Length of a clock tick in `/proc`: the same on every Linux that matters here.
const TICK: Duration = Duration::from_millis(10);

/// CPU time that a process has used, its threads included.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the name, in parentheses, and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    TICK * ticks
}

/// Memory of a process that is in RAM, in bytes.
pub fn rss(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kib * 1024
}

/// Datagrams that a process's UDP sockets had no room for: a loss that neither side's code has made.
pub fn udp_drops(pid: u32) -> u64 {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let tables =
        ["/proc/net/udp", "/proc/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let drops = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mine = sockets.iter().any(|inode| Some(&inode.as_str()) == fields.get(9));
        if mine { fields.last()?.parse::<u64>().ok() } else { None }
    };
    tables.iter().flat_map(|table| table.lines()).filter_map(drops).sum()
}

/// Ticks that all cores have spent working, and in all.
#[derive(Debug, Clone, Copy)]
struct Machine {
    busy: u64,
    all: u64,
}

impl Machine {
    /// Until now.
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let numbers = stat.lines().next().unwrap().split_whitespace().skip(1);
        let numbers: Vec<u64> = numbers.take(8).map(|n| n.parse().unwrap()).collect();
        let all: u64 = numbers.iter().sum();
        // The fourth and the fifth are idle and waiting for disks.
        Self { busy: all - numbers[3] - numbers[4], all }
    }

    /// Part of the machine's time spent working since then.
    fn busy_since(self, then: Self) -> f64 {
        (self.busy - then.busy) as f64 / (self.all - then.all).max(1) as f64
    }
}

/// The server's CPU time and the machine's load over a stretch of time.
#[derive(Debug)]
pub struct Meter {
    pid: u32,
    cpu: Duration,
    machine: Machine,
}

impl Meter {
    /// From now on.
    pub fn start(pid: u32) -> Self {
        Self { pid, cpu: cpu(pid), machine: Machine::now() }
    }

    /// CPU time used since, and the part of the machine that was busy.
    pub fn stop(self) -> (Duration, f64) {
        let used = cpu(self.pid).saturating_sub(self.cpu);
        (used, Machine::now().busy_since(self.machine))
    }
}
