//! A connection before it is authenticated: it can do one thing.

use std::{
    cell::{Cell, OnceCell},
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
};

use fanfare_proto::{
    CloseCode, Command, DeviceId, ErrorCode, Lane, Request, RequestId,
    command::Authenticate,
    deflate,
    event::{self, Authenticated, ErrorBody, name},
};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use super::{Allowance, Cursors, Line, Local, Session, hearing::Part};
use crate::{
    auth::jwt::Verifier,
    crowd::Visitor,
    domain::{location::recorder::Receipts, revocation},
    hub::Connection,
    outbox::Outbox,
    shard::TickPort,
};

/// A connection that has not said who it is.
#[derive(Debug)]
pub struct Greeting {
    local: Rc<Local>,
    outbox: Rc<Outbox>,
    connection: u64,
    transport: &'static str,
    visitor: Visitor,
    bearer: Option<String>,
}

/// What became of a greeting.
#[derive(Debug)]
pub enum Welcome {
    /// Who it is, is known.
    Session(Rc<Session>),
    /// The outbox was closed.
    Refused,
}

impl Greeting {
    /// A new connection. `bearer` is a token that its handshake carried.
    pub const fn new(
        local: Rc<Local>,
        outbox: Rc<Outbox>,
        connection: u64,
        transport: &'static str,
        visitor: Visitor,
        bearer: Option<String>,
    ) -> Self {
        Self { local, outbox, connection, transport, visitor, bearer }
    }

    /// Takes the first message: a session, or a refusal. Consumes itself, so that nothing else can be done before.
    pub async fn take(self, text: &[u8], ticks: TickPort, verifier: &Arc<Verifier>) -> Welcome {
        let (id, command) = match Request::parse(text) {
            Ok(Request { id, command: Command::Authenticate(command) }) => (id, command),
            Ok(request) => {
                let error = ErrorCode::Unauthorized.with("authenticate first");
                return self.refuse(request.id.as_ref(), &error, CloseCode::AuthFailed);
            }
            Err(refusal) => return self.refuse(refusal.id.as_ref(), &refusal.error, CloseCode::AuthFailed),
        };
        let token = command.token.as_deref().or(self.bearer.as_deref());
        let Some(token) = token else {
            let error = ErrorCode::AuthFailed.with("no token");
            return self.refuse(id.as_ref(), &error, CloseCode::AuthFailed);
        };
        let device = command.device_id.as_ref();
        let identity = match revocation::admit(&self.local.services, verifier, token, device).await {
            Ok(identity) => identity,
            Err(refused) => return self.refuse(id.as_ref(), &refused.error(), refused.close()),
        };
        let (now, elapsed) = (self.local.services.clock.now(), self.local.services.clock.elapsed());
        let guest = match self.visitor.admit(identity.org.org(), &identity.user, elapsed) {
            Ok(guest) => guest,
            Err(full) => return self.refuse(id.as_ref(), &full.body(), CloseCode::ConnectionLimit),
        };
        let Self { local, outbox, connection, transport, .. } = self;
        let Authenticate { device_id, cursors, compress, .. } = command;
        let source = source_of(device_id.as_ref(), connection);
        let identity = Arc::new(identity);
        let here = Connection::new(connection, identity.clone(), device_id.clone(), transport, now);
        let parts = || Part::of(&identity);
        let hears = parts().flat_map(|part| part.kinds().iter().copied());
        let membership = local.shard.join(here, hears, outbox.clone(), ticks);
        // What was revoked after it was looked at finds the connection from now on; what was meanwhile, this does.
        let wall = local.services.clock.wall();
        if let Some(refused) = local.services.revocations.refusal(&identity, device_id.as_ref(), wall) {
            outbox.close(refused.close());
            return Welcome::Refused;
        }
        let cursors: Cursors = cursors.into_iter().map(|cursor| (cursor.topic.clone(), cursor)).collect();
        let session = Rc::new(Session {
            source,
            cursors: cursors.into(),
            unresumed: parts().collect::<BTreeSet<_>>().into(),
            resuming: Cell::new(false),
            guest,
            allowance: Allowance::new(&local.services.config.limits, elapsed).into(),
            receipts: Receipts::new(outbox.clone()),
            following: HashMap::new().into(),
            here: OnceCell::new(),
            told: Vec::new().into(),
            urgent: Line::default(),
            ordered: Line::default(),
            done: Notify::new(),
            local,
            refreshed: Notify::new(),
            verifier: verifier.clone(),
            outbox,
            membership,
        });
        session.welcome(connection, id.as_ref(), &compress);
        session.come_back();
        session.arrive();
        Welcome::Session(session)
    }

    /// Refuses a first message that is compressed.
    pub fn refuse_compressed(self) {
        let error = ErrorCode::InvalidMessage.with("authenticate comes uncompressed");
        self.refuse(None, &error, CloseCode::AuthFailed);
    }

    fn refuse(self, id: Option<&RequestId>, error: &ErrorBody, code: CloseCode) -> Welcome {
        if code == CloseCode::AuthFailed {
            self.visitor.failed(self.local.services.clock.elapsed());
        }
        self.outbox.push(Lane::Ordered, event::write(name::ERROR, id, error).into());
        self.outbox.close(code);
        Welcome::Refused
    }
}

impl Session {
    /// Others see from now on that the user is there.
    fn arrive(&self) {
        let services = &self.local.services;
        let identity = self.identity();
        let here = services.presences.arrive(&identity.org, &identity.user, self.source, &services.clock);
        // A session begins once.
        let _ = self.here.set(here);
    }

    fn welcome(&self, connection: u64, id: Option<&RequestId>, compress: &[String]) {
        let services = &self.local.services;
        let identity = self.identity();
        let compress = services.config.compression.enabled && compress.iter().any(|way| way == deflate::NAME);
        let welcome = Authenticated {
            connection_id: format!("{connection:x}"),
            user_id: identity.user.clone(),
            organization_id: identity.org.org().clone(),
            roles: identity.role_names(),
            expires_at: identity.expires_at,
            heartbeat_ms: services.config.session.heartbeat_ms,
            silence_ms: services.config.session.silence_ms,
            time: services.clock.now(),
            compress: compress.then(|| deflate::NAME.to_owned()),
        };
        self.outbox.push(Lane::Ordered, event::write(name::AUTHENTICATED, id, &welcome).into());
        if compress {
            self.outbox.compress();
        }
    }
}

/// Tells a user's devices apart in tracks. Two devices that count alike must not take each other's fixes for repeats.
fn source_of(device: Option<&DeviceId>, connection: u64) -> u32 {
    let digest = match device {
        Some(device) => Sha256::digest(device.as_str()),
        None => Sha256::digest(connection.to_be_bytes()),
    };
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
