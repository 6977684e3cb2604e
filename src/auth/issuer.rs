//! An issuer of tokens: what a token of its must hold, and what it may assert.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use fanfare_proto::{IssuerId, OrgId, UnixMs, UserId, escape_id};
use serde_json::{Map, Value};

use super::{
    Identity, Units,
    claims::{Claims, Path},
    ids::{Jti, id_of},
    jwks::Source,
    jwt::{LEEWAY_MS, Refused},
    key::{Algorithm, Key},
    policy::{Policy, Rights},
};
use crate::id::Tenant;

/// Ends after the year 9999 are no times.
const LAST_SECOND: f64 = 253_402_300_800.0;

/// An issuer whose tokens are accepted.
#[derive(Debug)]
pub struct Issuer {
    /// What it is called here.
    pub id: IssuerId,
    /// What `iss` must be. At most one issuer has none: it takes the tokens that name no other.
    pub iss: Option<String>,
    /// One of them must be in `aud`. None: a token with `aud` is meant for somebody else, and refused.
    pub audiences: Vec<String>,
    /// One of them must be `azp`, the party that the token was issued to. None: it is not looked at.
    pub parties: Vec<String>,
    /// What its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The organisations that it may speak for.
    pub organisations: Organisations,
    /// Put before `sub`, which makes the user's id: users of different issuers are different people. An id with other
    /// characters than ids have is escaped as a whole.
    pub user_prefix: String,
    /// How far ahead its tokens' beginnings may be: its clock may differ.
    pub leeway_ms: u64,
    /// How far ahead a token's end may be, in milliseconds.
    pub lifetime_ms: Option<u64>,
    /// Our names of its roles. Empty: its names are ours. Else what is not named here does not count.
    pub role_names: BTreeMap<String, String>,
    /// Whether its tokens may hold the role `platform`.
    pub platform: bool,
    /// Where in its tokens what stands.
    pub claims: Claims,
    /// Its keys.
    pub keys: Keys,
}

/// The organisations that an issuer may speak for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Organisations {
    /// Every one.
    Any,
    /// These.
    Only(BTreeSet<OrgId>),
    /// This one, which its tokens do not name.
    Always(OrgId),
}

impl Organisations {
    /// An organisation that both may speak for, or `*` where there may be any.
    pub(super) fn shared(&self, other: &Self) -> Option<String> {
        let (one, all) = match (self, other) {
            (Self::Any, Self::Any) => return Some("*".to_owned()),
            (Self::Any, some) | (some, Self::Any) => return some.first().map(OrgId::to_string),
            (Self::Always(org), other) | (other, Self::Always(org)) => (Some(org), other.may(org)),
            (Self::Only(these), Self::Only(those)) => (these.intersection(those).next(), true),
        };
        one.filter(|_| all).map(OrgId::to_string)
    }

    fn may(&self, org: &OrgId) -> bool {
        match self {
            Self::Any => true,
            Self::Only(these) => these.contains(org),
            Self::Always(always) => always == org,
        }
    }

    fn first(&self) -> Option<&OrgId> {
        match self {
            Self::Any => None,
            Self::Only(these) => these.first(),
            Self::Always(always) => Some(always),
        }
    }
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub enum Keys {
    /// From the configuration.
    Fixed(Key),
    /// From these addresses of the issuer.
    Fetched(Vec<Source>),
}

/// Why a token is refused, and in words for the operator what is wrong with it.
pub(super) type No = (Refused, &'static str);

const fn invalid(why: &'static str) -> No {
    (Refused::Invalid, why)
}

impl Issuer {
    /// Who the bearer is, by claims whose signature is good, and when the token begins.
    pub(super) fn identify(
        &self,
        claims: &Map<String, Value>,
        policy: &Policy,
        now: UnixMs,
    ) -> Result<(Identity, UnixMs), No> {
        self.meant_for_us(claims)?;
        let Times { begin, issued, end } = self.times(claims, now)?;
        let token_id = match claims.get("jti") {
            None | Some(Value::Null) => None,
            Some(jti) => Some(Jti::of(jti).ok_or(invalid("its `jti` is no text"))?.0),
        };
        let units = self.units(claims)?;
        let identity = Identity {
            org: Tenant::verified(self.organisation(claims)?),
            user: self.user(claims)?,
            issuer: self.id.clone(),
            token_id,
            issued_at: issued,
            rights: self.rights(claims, policy)?,
            units,
            expires_at: end,
        };
        Ok((identity, begin))
    }

    fn meant_for_us(&self, claims: &Map<String, Value>) -> Result<(), No> {
        let ours = |text: &str| self.audiences.iter().any(|ours| ours == text);
        let meant = match claims.get("aud") {
            None | Some(Value::Null) => self.audiences.is_empty(),
            Some(Value::String(text)) => ours(text),
            Some(Value::Array(list)) => list.iter().any(|one| one.as_str().is_some_and(ours)),
            Some(_) => false,
        };
        if !meant {
            return Err(invalid("its `aud` is not the configured one"));
        }
        let party = claims.get("azp").and_then(Value::as_str);
        let known = party.is_some_and(|party| self.parties.iter().any(|known| known == party));
        if known || self.parties.is_empty() {
            Ok(())
        } else {
            Err(invalid("its `azp` is not a configured one"))
        }
    }

    /// When it begins and ends.
    fn times(&self, claims: &Map<String, Value>, now: UnixMs) -> Result<Times, No> {
        let time = |name, why| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                // It may have a fraction.
                Some(second) if (0.0..LAST_SECOND).contains(&second) => {
                    Ok(Some(UnixMs((second * 1000.0) as u64)))
                }
                _ => Err(invalid(why)),
            },
        };
        let expires_at = time("exp", "its `exp` is no time")?.ok_or(invalid("it has no `exp`"))?;
        let starts_at = time("nbf", "its `nbf` is no time")?;
        let issued_at = time("iat", "its `iat` is no time")?;
        // One that claims to be newer than a revocation to come would outlive it.
        let begins_at = starts_at.max(issued_at).unwrap_or_default();
        if begins_at.since(UnixMs(self.leeway_ms)) >= expires_at.plus(LEEWAY_MS).0 {
            return Err(invalid("it ends before it begins"));
        }
        if self.lifetime_ms.is_some_and(|most| expires_at.since(now) > most) {
            return Err(invalid("its `exp` is further ahead than `lifetime_s` allows"));
        }
        if now >= expires_at.plus(LEEWAY_MS) {
            return Err((Refused::Expired, "it has expired"));
        }
        Ok(Times { begin: begins_at, issued: issued_at, end: expires_at })
    }

    /// Whether a token of this issuer that begins then may be used now. To be asked last: one with other faults does not
    /// become good by waiting.
    pub(super) fn begun(&self, begins_at: UnixMs, now: UnixMs) -> Result<(), No> {
        match begins_at.since(now.plus(self.leeway_ms)) {
            0 => Ok(()),
            retry_after_ms => Err((Refused::NotYet { retry_after_ms }, "its `nbf` or `iat` is ahead")),
        }
    }

    fn organisation(&self, claims: &Map<String, Value>) -> Result<OrgId, No> {
        if let Organisations::Always(org) = &self.organisations {
            return Ok(org.clone());
        }
        let org = self.claims.organisation.one(claims).ok_or(invalid("it names no one organisation"))?;
        let org = id_of(&org).map_err(|_| invalid("its organisation's name is not one"))?;
        let org = OrgId::new(&org).map_err(|_| invalid("its organisation's id is too long"))?;
        if self.organisations.may(&org) {
            Ok(org)
        } else {
            Err(invalid("its issuer may not speak for its organisation"))
        }
    }

    fn user(&self, claims: &Map<String, Value>) -> Result<UserId, No> {
        let user = self.claims.user.text(claims).ok_or(invalid("it names no user"))?;
        id_of(&user).map_err(|_| invalid("its user's name is not one"))?;
        let user = format!("{}{user}", self.user_prefix);
        UserId::new(&escape_id(&user)).map_err(|_| invalid("its user's id is too long"))
    }

    fn units(&self, claims: &Map<String, Value>) -> Result<Units, No> {
        let of = |path: &Path, why| path.many(claims).ok_or(invalid(why));
        let departments = of(&self.claims.departments, "its departments are no list of texts")?;
        let teams = of(&self.claims.teams, "its teams are no list of texts")?;
        Ok(Units::new(
            unit_ids(&departments, "a department's name is not one, or too long")?,
            unit_ids(&teams, "a team's name is not one, or too long")?,
        ))
    }

    fn rights(&self, claims: &Map<String, Value>, policy: &Policy) -> Result<Rights, No> {
        let mut names = Vec::new();
        for path in &self.claims.roles {
            names.extend(path.names(claims).ok_or(invalid("its roles are no list of texts"))?);
        }
        let names = names.iter().map(Cow::as_ref);
        let names: Vec<&str> = if self.role_names.is_empty() {
            names.collect()
        } else {
            names.filter_map(|name| self.role_names.get(name)).map(String::as_str).collect()
        };
        policy.rights(names.into_iter(), self.platform).ok_or((Refused::NoRole, "it holds no known role"))
    }
}

/// The ids of departments or teams. One that cannot be is not left out: the others would stand for more than was meant.
fn unit_ids<T: FromStr>(names: &[Cow<'_, str>], why: &'static str) -> Result<Vec<T>, No> {
    let id = |name: &Cow<'_, str>| id_of(name).ok()?.parse().ok();
    names.iter().map(id).collect::<Option<_>>().ok_or(invalid(why))
}

/// The times of a token.
struct Times {
    begin: UnixMs,
    issued: Option<UnixMs>,
    end: UnixMs,
}
