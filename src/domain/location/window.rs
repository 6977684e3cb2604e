//! The fixes of all agents that somebody may see, of a span of time.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use fanfare_proto::{
    ErrorCode, UnixMs, UserId,
    command::LocationWindow,
    event::{AgentFix, WindowFixes},
    id::MAX_NUMBER,
};

use super::{DAY_MS, parse_key, scope::Scope, table::Table, whole_table, write_key};
use crate::{
    auth::policy::Action,
    domain::{Answer, Caller, Services, answer},
    error::refused,
    id::Tenant,
    store::{FixClass, FixKey, StoreError, Window, WindowKey},
};

/// Fixes in one page: at about 200 bytes each they fit in one frame.
const FIXES_PER_PAGE: u16 = 100;

/// `location:window`
pub async fn window(services: &Services, caller: &Caller<'_>, command: LocationWindow) -> Answer {
    let org = &caller.identity.org;
    let scope = Scope::granted(caller.identity, Action::ReadTracks).narrowed(command.department_id)?;
    let after = match &command.after {
        Some(text) => Some(parse(text).ok_or_else(|| ErrorCode::InvalidMessage.with("after is no `next`"))?),
        None => None,
    };
    let limit = command.limit.unwrap_or(FIXES_PER_PAGE).clamp(1, FIXES_PER_PAGE);
    // Days on which nothing can be are not looked through.
    let (now, retention) = (services.clock.now(), &services.config.retention);
    let days = FixClass::ALL.into_iter().map(|class| retention.days_of(class)).max().unwrap_or(0);
    let oldest = UnixMs(now.since(UnixMs(u64::from(days) * DAY_MS)));
    let span = command.from.max(oldest)..=command.to.min(now.plus(services.config.ticks.ahead_ms));
    let found = match &scope {
        Scope::Organisation => services.store.window(org, None, span, after, limit.into()).await,
        Scope::Units(_) => {
            let table = whole_table(services, org).await?;
            of_units(services, org, &table, &scope, span, after, limit.into()).await
        }
    };
    let found = found.map_err(refused)?;
    let fixes = found.fixes.into_iter();
    let fixes = fixes.map(|stored| AgentFix { agent_id: stored.agent, fix: stored.fix.into() }).collect();
    answer(&WindowFixes { fixes, next: found.next.as_ref().map(write) })
}

/// Agents of a scope that are asked for at once, and days that are looked through for one page.
const AGENTS: usize = 500;
const DAYS: usize = 16;

/// As [`Store::window`](crate::store::Store::window) of the agents that a scope sees. Tracks say nothing of departments and
/// teams: where their agent works now decides, as for a single track. However many they are, only some are asked for at once.
async fn of_units(
    services: &Services,
    org: &Tenant,
    table: &Table,
    scope: &Scope,
    span: RangeInclusive<UnixMs>,
    mut after: Option<WindowKey>,
    limit: usize,
) -> Result<Window, StoreError> {
    let last_day = span.end().0 / DAY_MS;
    for _ in 0..DAYS {
        let day = after.as_ref().map_or(0, |after| after.day).max(span.start().0 / DAY_MS);
        // On a later day than the one it belongs to, it means nothing.
        let at = after.as_ref().filter(|after| after.day == day).and_then(|after| after.at.as_ref());
        let from = at.map(|(agent, _)| agent);
        let agents = table.agents(scope, from, AGENTS);
        let is_all = agents.len() < AGENTS;
        let among = |agents: Vec<UserId>| Some(Arc::new(agents.into_iter().collect::<BTreeSet<_>>()));
        if is_all && from.is_none() {
            return services.store.window(org, among(agents), span, after, limit).await;
        }
        let last = agents.last().cloned();
        let end = UnixMs((day + 1) * DAY_MS - 1).min(*span.end());
        let of_day = *span.start()..=end;
        let found = services.store.window(org, among(agents), of_day, after, limit).await?;
        // What comes after these agents, or after this day.
        let rest = last.filter(|_| !is_all).map(|agent| (agent, FixKey::END));
        let next = match rest {
            Some(at) => Some(WindowKey { day, at: Some(at) }),
            None if day < last_day => Some(WindowKey { day: day + 1, at: None }),
            None => None,
        };
        if found.next.is_some() {
            return Ok(found);
        }
        if !found.fixes.is_empty() || next.is_none() {
            return Ok(Window { fixes: found.fixes, next });
        }
        after = next;
    }
    Ok(Window { fixes: Vec::new(), next: after })
}

/// The day, then the place in the agent's track, then the agent, whose id may hold anything.
fn write(key: &WindowKey) -> String {
    match &key.at {
        Some((agent, at)) => format!("{}.{}.{agent}", key.day, write_key(*at)),
        None => key.day.to_string(),
    }
}

fn parse(text: &str) -> Option<WindowKey> {
    let Some((day, rest)) = text.split_once('.') else {
        return Some(WindowKey { day: parse_day(text)?, at: None });
    };
    // The third point after the day ends the place.
    let (end, _) = rest.match_indices('.').nth(2)?;
    let (at, agent) = (rest.get(..end)?, rest.get(end + 1..)?);
    let at = (UserId::new(agent).ok()?, parse_key(at)?);
    Some(WindowKey { day: parse_day(day)?, at: Some(at) })
}

/// A day that times have. A client may write any number: with a later one the day's end would be no number any more.
fn parse_day(text: &str) -> Option<u64> {
    text.parse().ok().filter(|day| *day <= MAX_NUMBER / DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FixKey;

    #[test]
    fn a_place_is_a_text() {
        let at = FixKey { time: UnixMs(u64::MAX), source: u32::MAX, counter: u64::MAX };
        let agent = UserId::new("a.b|c.1.2.3").unwrap();
        for key in [WindowKey { day: 20_717, at: Some((agent, at)) }, WindowKey { day: 0, at: None }] {
            assert_eq!(parse(&write(&key)), Some(key));
        }
        let longest = UserId::new(&"x".repeat(128)).unwrap();
        let longest = write(&WindowKey { day: u64::MAX, at: Some((longest, at)) });
        assert!(longest.len() <= 256);
        for bad in ["", ".", "x", "1.", "1.2.3", "1.2.3.4", "1.2.3.4.", "-1", "1.2.3.x.a", "1.2.3.4.a b"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let last = MAX_NUMBER / DAY_MS;
        assert_eq!(parse(&last.to_string()), Some(WindowKey { day: last, at: None }));
        for later in [last + 1, u64::MAX / DAY_MS, u64::MAX - 1, u64::MAX] {
            assert_eq!(
                (parse(&later.to_string()), parse(&format!("{later}.1.2.3.a"))),
                (None, None),
                "{later}"
            );
        }
    }
}
