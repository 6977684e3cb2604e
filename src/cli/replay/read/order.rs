//! The order in which rows follow each other, where their clock names no zone. Rules without I/O.

use std::ops::RangeInclusive;

/// A clock that is set back at the end of summer time steps back by an hour, less what passes between two rows; in seconds.
const FOLD: RangeInclusive<f64> = 2_700.0..=HOUR;
const HOUR: f64 = 3_600.0;

/// What is wrong with the order of rows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Judged {
    /// Single rows, out of order between others that are in order: each is in the wrong place, or its time is wrong.
    pub(super) lone: Vec<usize>,
    /// The first row after the clock was set back by an hour, and by how many seconds it was.
    pub(super) fold: Option<(usize, f64)>,
}

/// Judges times in the order of their rows, each step back by itself. Where there are many, the rows are in no order, and their
/// times tell it.
pub(super) fn judge(times: &[f64]) -> Judged {
    let steps = times.windows(2).filter(|pair| pair[1] < pair[0]).count();
    if steps * 4 > times.len() {
        return Judged::default();
    }
    let (mut lone, mut kept) = (Vec::new(), Vec::<(usize, f64)>::new());
    for (index, time) in times.iter().copied().enumerate() {
        if is_lone(kept.last().map(|(_, time)| *time), time, times.get(index + 1).copied()) {
            lone.push(index);
        } else {
            kept.push((index, time));
        }
    }
    Judged { lone, fold: fold(&kept) }
}

/// Whether a row is out of order, and those before and after it are not. Rows that are further off come from another day: their
/// time says where they belong.
fn is_lone(before: Option<f64>, time: f64, after: Option<f64>) -> bool {
    let is_back = |earlier: Option<f64>, later: f64| {
        earlier.is_some_and(|earlier| earlier > later && earlier - later <= HOUR)
    };
    let is_out = is_back(before, time) || after.is_some_and(|after| is_back(Some(time), after));
    is_out && before.zip(after).is_none_or(|(before, after)| before <= after)
}

/// The first step back by an hour after which time goes on evenly: at least until it is as late as before.
fn fold(rows: &[(usize, f64)]) -> Option<(usize, f64)> {
    let ends_evenly = |begin: usize, until: f64| {
        let rest = rows[begin..].windows(2).find(|pair| pair[1].1 < pair[0].1);
        rest.is_none_or(|pair| pair[0].1 >= until)
    };
    let steps = rows.windows(2).enumerate().map(|(at, pair)| (at + 1, pair[0].1, pair[1]));
    let mut folds =
        steps.filter(|(at, before, row)| FOLD.contains(&(before - row.1)) && ends_evenly(*at, *before));
    folds.next().map(|(_, before, (index, time))| (index, before - time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(minutes: &[u32]) -> (Vec<usize>, Option<(usize, u32)>) {
        let times: Vec<f64> = minutes.iter().map(|minute| f64::from(*minute) * 60.0).collect();
        let Judged { lone, fold } = judge(&times);
        (lone, fold.map(|(index, seconds)| (index, (seconds / 60.0) as u32)))
    }

    /// Every five minutes from `from` to `to`.
    fn run(from: u32, to: u32) -> Vec<u32> {
        (from..=to).step_by(5).collect()
    }

    #[test]
    fn each_step_back_is_judged_by_itself() {
        let year = 365 * 24 * 60;
        let fold = [run(60, 175), run(120, 240)].concat();
        let in_order = run(0, 300);
        assert_eq!(judged(&in_order), (vec![], None));
        assert_eq!(judged(&[]), (vec![], None));
        assert_eq!(judged(&[7]), (vec![], None));
        assert_eq!(judged(&fold), (vec![], Some((24, 55))));
        // Two autumns.
        let next: Vec<u32> = fold.iter().map(|minute| minute + year).collect();
        assert_eq!(judged(&[fold.clone(), next].concat()), (vec![], Some((24, 55))));
        // One row in the wrong place: back, ahead, at the end and at the beginning.
        for (at, minute) in [(30, 95), (30, 190), (30, 100), (61, 260), (0, 40)] {
            let mut rows = in_order.clone();
            rows.insert(at, minute);
            assert_eq!(judged(&rows), (vec![at], None), "{at} {minute}");
        }
        // Beside a fold, before and after it.
        for (at, minute, begins) in [(10, 70, 25), (40, 170, 24)] {
            let mut rows = fold.clone();
            rows.insert(at, minute);
            assert_eq!(judged(&rows), (vec![at], Some((begins, 55))), "{at}");
        }
    }

    #[test]
    fn what_is_no_clock_set_back_is_left_to_the_times() {
        let half_an_hour = [run(60, 175), run(145, 240)].concat();
        assert_eq!(judged(&half_an_hour), (vec![], None));
        // A file behind a later one.
        let joined = [run(10_000, 10_300), run(0, 300)].concat();
        assert_eq!(judged(&joined), (vec![], None));
        assert_eq!(judged(&[30, 10, 20, 0]), (vec![], None));
        let shuffled: Vec<u32> = (0..100).map(|n| n * 37 % 100).collect();
        assert_eq!(judged(&shuffled), (vec![], None));
        // A row of another day.
        let mut rows = run(5_000, 5_300);
        rows.insert(20, 100);
        assert_eq!(judged(&rows), (vec![], None));
    }
}
