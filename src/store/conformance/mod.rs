//! What every backend must do, as one suite that each runs.
//!
//! Every case uses organisations, topics and keys of its own, so the suite can run on a store that holds other data;
//! where time decides, cases use times of 1970, long before anything real. A failed case panics and names itself.

#![allow(clippy::unwrap_used)]

mod history;
mod lab;
mod log;
mod log_read;
mod mark;
mod model;
mod ops;
mod property;
mod publish;
mod race;
mod record;
mod reopen;
mod retention;
mod roll;
mod text;
mod timer;
mod track;
mod world;

use std::sync::Arc;

use futures::future::LocalBoxFuture;

use self::lab::Lab;
use super::{Committed, Store};

type Case = for<'a> fn(&'a mut Lab) -> LocalBoxFuture<'a, ()>;

macro_rules! cases {
    ($($case:path),* $(,)?) => {
        &[$((stringify!($case), |lab| Box::pin($case(lab)))),*]
    };
}

/// In the order of the interface, then what combines everything.
const CASES: &[(&str, Case)] = cases![
    log::positions_rise_without_gaps,
    log::topics_are_apart,
    log::repetitions_change_nothing,
    log::repetitions_within_an_append,
    log::an_expected_head_must_hold,
    log::any_content_comes_back,
    log::amending_replaces,
    log_read::pages_in_both_directions,
    log_read::pages_are_bounded_in_bytes,
    log_read::a_long_log_is_read_whole,
    log_read::heads_in_the_order_asked,
    publish::in_order_and_before_the_answer,
    publish::only_what_is_new,
    race::one_winner_for_each_head,
    race::one_effect_for_each_request,
    race::writers_leave_no_gap,
    race::readers_see_what_was_answered,
    race::nothing_slips_under_a_cursor,
    retention::the_front_expires,
    retention::repetitions_outlive_their_event,
    retention::repetitions_are_forgotten_in_the_end,
    retention::kinds_expire_apart,
    record::versions_rise_and_never_start_again,
    record::one_winner_for_each_version,
    record::records_expire,
    record::lists_in_key_order,
    history::every_version_is_kept,
    history::what_is_kept_is_bounded,
    history::the_history_is_the_winners,
    history::a_history_begins_where_told,
    track::fixes_come_back_in_order,
    track::repeated_fixes_change_nothing,
    track::latest_is_by_time_taken,
    track::days_expire_whole,
    track::classes_are_read_together_and_expire_apart,
    track::a_window_holds_every_agent_of_the_organisation,
    mark::marks_never_go_back,
    mark::marks_of_many,
    timer::due_are_leased,
    timer::setting_again_moves,
    timer::takers_share,
    text::every_word_must_be_there,
    text::only_in_the_topics_given,
    text::many_topics_at_once,
    text::texts_are_replaced_and_removed,
    text::queries_are_no_syntax,
    roll::a_log_begins_where_told,
    roll::events_come_as_they_were,
    roll::rolls_list_everything_once,
    reopen::everything_is_still_there,
    reopen::closed_answers_unavailable,
    property::like_the_model,
];

/// Runs every case. `open` opens the same store each time it is called, and is called again only after the store
/// has been closed. `sequences` is the number of random sequences of calls that are compared with a model: each is some
/// hundred calls. The future is not `Send`: run it with `block_on`, as `#[tokio::test]` does.
pub async fn all<F, Fut>(sequences: u32, open: F)
where
    F: Fn(Arc<dyn Committed>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Arc<dyn Store>> + Send + 'static,
{
    let mut lab = Lab::new(sequences, Box::new(move |committed| Box::pin(open(committed)))).await;
    for (name, case) in CASES {
        // Shown by the test harness when a case fails.
        println!("conformance: {name}");
        let began = std::time::Instant::now();
        case(&mut lab).await;
        println!("  {:.1?}", began.elapsed());
    }
    lab.store.close().await;
}
