//! The private conversation of two users: there is one for each pair.
//!
//! Its id follows from the organisation and the two users, so two who begin it at the same time, on whatever nodes, make
//! the same one. A pair may have one from before that rule: it is looked for among the conversations that both have,
//! once, and a record beside the pair's id then leads to it.

use std::collections::HashSet;

use fanfare_proto::{ConversationId, ErrorBody, ErrorCode, UserId, command::ConversationKind};
use sha2::{Digest, Sha256};

use super::room::{kept, put_once, state, topic};
use crate::{
    domain::{Services, json},
    error::{corrupt, refused},
    id::Tenant,
    store::{RecordKind, Slot},
};

/// Conversations of each of the two that are looked through for an earlier one.
const LOOKED: usize = 2_000;
/// Of those, read in one page.
const PAGE: usize = 500;
/// Conversations that both have which are looked at.
const COMMON: usize = 200;

/// The id of the pair's conversation.
pub(super) async fn id_of(
    services: &Services,
    org: &Tenant,
    (a, b): (&UserId, &UserId),
) -> Result<ConversationId, ErrorBody> {
    let own = derive(org, a, b);
    if kept(services, &topic(org, &own)).await?.is_some() {
        return Ok(own);
    }
    let leads = leads_to(org, &own);
    if let Some(earlier) = led(services, &leads).await? {
        return Ok(earlier);
    }
    let Some(earlier) = earlier(services, org, (a, b)).await? else { return Ok(own) };
    put_once(services, &leads, json(&earlier)?).await?;
    // What another request has put there meanwhile is what holds.
    Ok(led(services, &leads).await?.unwrap_or(earlier))
}

/// The same whichever of the two asks. Each part is preceded by its length, so no two pairs have the same input.
fn derive(org: &Tenant, a: &UserId, b: &UserId) -> ConversationId {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    let mut hash = Sha256::new();
    for part in ["private", org.as_str(), first.as_str(), second.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    ConversationId::from_bytes(&hash.finalize()[..16])
}

/// Where it is noted that a pair has an earlier conversation.
fn leads_to(org: &Tenant, own: &ConversationId) -> Slot {
    Slot { key: "pair".into(), ..state(&topic(org, own)) }
}

async fn led(services: &Services, slot: &Slot) -> Result<Option<ConversationId>, ErrorBody> {
    let record = services.store.get(slot, services.clock.now()).await.map_err(refused)?;
    let Some(record) = record else { return Ok(None) };
    serde_json::from_slice(&record.value).map(Some).map_err(|error| corrupt(&slot.org, "pair", &error))
}

/// A private conversation that the two have already; of several, the one with the newest event.
async fn earlier(
    services: &Services,
    org: &Tenant,
    (a, b): (&UserId, &UserId),
) -> Result<Option<ConversationId>, ErrorBody> {
    let of_a: HashSet<String> = keys(services, org, a).await?.into_iter().collect();
    if of_a.is_empty() {
        return Ok(None);
    }
    let common = keys(services, org, b).await?.into_iter().filter(|key| of_a.contains(key));
    let mut found = None;
    for id in common.filter_map(|key| ConversationId::new(&key).ok()).take(COMMON) {
        let topic = topic(org, &id);
        let room = match super::room::room(services, &topic).await {
            Ok(Some(room)) => room,
            Ok(None) => continue,
            // It cannot be read, ever. What fails only now may be theirs: without it they would get a second one for good.
            Err(error) if error.code == ErrorCode::InternalError => continue,
            Err(error) => return Err(error),
        };
        let pair = [a, b].iter().all(|user| room.members.contains(user)) && room.members.len() == 2;
        if room.kind != ConversationKind::Private || !pair {
            continue;
        }
        let heads = services.store.heads(std::slice::from_ref(&topic)).await.map_err(refused)?;
        let newest = heads.first().and_then(|head| head.at);
        if found.as_ref().is_none_or(|(at, _)| *at < newest) {
            found = Some((newest, id));
        }
    }
    Ok(found.map(|(_, id)| id))
}

/// The keys of a user's membership records, as far as they are looked through.
async fn keys(services: &Services, org: &Tenant, user: &UserId) -> Result<Vec<String>, ErrorBody> {
    let (kind, now) = (RecordKind::Membership, services.clock.now());
    let mut keys: Vec<String> = Vec::new();
    while keys.len() < LOOKED {
        let after = keys.last().map(String::as_str);
        let page = services.store.list(org, kind, user.as_str(), after, PAGE, now).await.map_err(refused)?;
        let last = page.len() < PAGE;
        keys.extend(page.into_iter().map(|(key, _)| key));
        if last {
            break;
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use fanfare_proto::OrgId;

    use super::*;

    #[test]
    fn a_pair_has_one_id_and_shares_it_with_no_other() {
        let org = |name| Tenant::stored(OrgId::new(name).unwrap());
        let user = |name| UserId::new(name).unwrap();
        let id = |o, a, b| derive(&org(o), &user(a), &user(b));
        assert_eq!(id("acme", "ann", "bob"), id("acme", "bob", "ann"));
        let others =
            [("acme", "an", "nbob"), ("acme", "annb", "ob"), ("acmea", "nn", "bob"), ("acm", "eann", "bob")];
        for (o, a, b) in others {
            assert_ne!(id(o, a, b), id("acme", "ann", "bob"), "{o} {a} {b}");
        }
    }
}
