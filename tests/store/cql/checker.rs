//! Compares what was acknowledged with what is stored and what was published.

use std::collections::{HashMap, HashSet};

/// A request: its writer, and its place among that writer's. Writers make one request after another.
pub(super) type Request = (usize, usize);

/// A topic's events: positions and whose they are.
pub(super) type Log = Vec<(u64, Request)>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Acknowledged, and not at that position.
    pub(super) lost: usize,
    /// There more than once.
    pub(super) duplicates: usize,
    /// Not where they belong: a gap in the positions, or before an earlier request of the same writer.
    pub(super) disorder: usize,
}

/// `topics`: for each topic what was acknowledged, and its log.
pub(super) fn check(topics: &[(Log, Log)]) -> Verdict {
    let mut verdict = Verdict::default();
    for (acknowledged, log) in topics {
        let stored: HashSet<&(u64, Request)> = log.iter().collect();
        verdict.lost += acknowledged.iter().filter(|event| !stored.contains(event)).count();
        let mut seen = HashSet::new();
        let mut last: HashMap<usize, usize> = HashMap::new();
        for ((seq, request), expected) in log.iter().zip(1..) {
            if !seen.insert(request) {
                verdict.duplicates += 1;
                continue;
            }
            let (writer, n) = *request;
            let before = last.insert(writer, n);
            verdict.disorder += usize::from(*seq != expected || before.is_some_and(|before| before >= n));
        }
    }
    verdict
}

/// Before it is believed, it finds what is planted.
#[test]
fn the_checker_finds_a_loss_a_duplicate_and_a_swap() {
    let good: Log = (1..=20).map(|seq| (seq, (seq as usize % 2, seq as usize / 2))).collect();
    let found = |log: Log| check(&[(good.clone(), good.clone()), (good.clone(), log)]);
    let renumbered = |log: Log| (1..).zip(log).map(|(seq, (_, request))| (seq, request)).collect::<Log>();
    assert_eq!(found(good.clone()), Verdict::default());
    let mut loss = good.clone();
    loss.pop();
    assert_eq!(found(loss), Verdict { lost: 1, ..Verdict::default() });
    let mut duplicate = good.clone();
    duplicate.push((21, duplicate[3].1));
    assert_eq!(found(duplicate), Verdict { duplicates: 1, ..Verdict::default() });
    let mut swap = good.clone();
    swap.swap(4, 6);
    let swap = found(renumbered(swap));
    assert!(swap.disorder > 0 && swap.lost == 2, "{swap:?}");
    let mut gap = good.clone();
    gap[19].0 = 21;
    assert!(found(gap).disorder > 0);
}
