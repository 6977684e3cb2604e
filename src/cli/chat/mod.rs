//! `fanfare chat`: a conversation on a terminal, or in a pipe.

mod console;
mod room;
mod send;
mod session;
mod talk;

use anyhow::{Context, bail};
use clap::Args;
use fanfare::auth::policy::Role;
use fanfare_client::{
    Client, Event,
    proto::{OrgId, UserId},
};

use self::{console::Console, room::Wanted, session::Session};
use super::link::{self, Link, Mint};

/// Options of `fanfare chat`.
#[derive(Debug, Args)]
pub(super) struct Chat {
    #[command(flatten)]
    link: Link,
    /// Who you are
    #[arg(long = "as", value_name = "USER")]
    me: UserId,
    /// Whom you chat with; may be given more than once
    #[arg(long, required = true, value_name = "USER")]
    with: Vec<UserId>,
    /// Title of a group. Another title is another conversation
    #[arg(long)]
    title: Option<String>,
    /// A token, or @ and a file that holds it, instead of a minted one
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The organisation, where a token is minted
    #[arg(long, default_value = "demo")]
    org: OrgId,
}

impl Chat {
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let wanted = Wanted::new(&self.me, &self.with, self.title.clone())?;
        let token = match &self.token {
            Some(token) => link::given(token)?,
            None => Mint::new(common, self.org.clone())?.token(&self.me, Role::Member, &[])?,
        };
        let config = self.link.config(token, link::device("chat")?);
        let (client, mut events) = Client::connect(config)?;
        let transport = link::opened(&client).await?;
        if let Some(Event::Open(who)) = events.next().await
            && who.user_id != self.me
        {
            bail!("the token is of {}, not of {}", who.user_id, self.me);
        }
        let rooms = wanted.find_or_create(&client, &self.me).await.context("conversation")?;
        let console = Console::new(format!("{}> ", self.me))?;
        let mut session = Session::new(client.clone(), console, wanted, self.me.clone());
        let with: Vec<_> = self.with.iter().map(UserId::as_str).collect();
        let transport = link::name(transport);
        session.note(&format!("connected by {transport} as {}, with {}", self.me, with.join(", ")))?;
        for room in rooms {
            session.enter(room).await?;
        }
        let done = session.talk(events).await;
        session.end().await;
        client.close().await;
        done
    }
}
