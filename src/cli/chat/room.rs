//! Finds the conversation of some people, or begins it.

use anyhow::bail;
use fanfare_client::{
    Client, Error,
    proto::{
        ClientId, Command, ConversationId, UserId,
        command::{ConversationCreate, ConversationKind, ConversationList},
        event::{Conversation, ConversationSummary, Stored},
        id,
    },
};
use sha2::{Digest, Sha256};

/// Most people of a conversation: lists name no more, so with more it would not be found again.
const PEOPLE: usize = 20;

/// The conversation that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    kind: ConversationKind,
    title: Option<String>,
    /// Everyone, in order.
    members: Vec<UserId>,
}

impl Wanted {
    /// Two people talk in private; a title or a third person makes a group.
    pub(super) fn new(me: &UserId, others: &[UserId], title: Option<String>) -> anyhow::Result<Self> {
        let mut members = others.to_vec();
        members.push(me.clone());
        members.sort();
        members.dedup();
        if members.len() < 2 {
            bail!("nobody to chat with");
        }
        if members.len() > PEOPLE {
            bail!("at most {} others", PEOPLE - 1);
        }
        let kind = if members.len() == 2 && title.is_none() {
            ConversationKind::Private
        } else {
            ConversationKind::Group
        };
        Ok(Self { kind, title, members })
    }

    /// Whether this conversation is it.
    pub(super) fn is(&self, conversation: &Conversation) -> bool {
        self.fits(conversation.kind, conversation.title.as_deref(), &conversation.members)
            && conversation.member_count as usize == self.members.len()
    }

    fn is_listed(&self, listed: &ConversationSummary) -> bool {
        self.fits(listed.kind, listed.title.as_deref(), &listed.members)
            && listed.member_count as usize == self.members.len()
    }

    fn fits(&self, kind: ConversationKind, title: Option<&str>, members: &[UserId]) -> bool {
        let mut members = members.to_vec();
        members.sort();
        kind == self.kind && title == self.title.as_deref() && members == self.members
    }

    /// The conversations that there are; begun if there is none. Two people who begin at the same moment make two:
    /// then both count, as nobody can tell which was meant.
    pub(super) async fn find_or_create(
        &self,
        client: &Client,
        me: &UserId,
    ) -> Result<Vec<ConversationId>, Error> {
        let found = self.find(client).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let others = self.members.iter().filter(|member| *member != me);
        let create = ConversationCreate {
            client_id: self.client_id()?,
            kind: self.kind,
            title: self.title.clone(),
            members: others.cloned().collect(),
        };
        let created: Stored = client.ask(Command::ConversationCreate(create)).await?;
        let mut found = self.find(client).await?;
        if let Some(id) = created.conversation_id
            && !found.contains(&id)
        {
            found.push(id);
        }
        Ok(found)
    }

    async fn find(&self, client: &Client) -> Result<Vec<ConversationId>, Error> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let list = ConversationList { after: after.clone(), limit: None };
            let page = client.conversations(list).await?;
            let listed = page.conversations.into_iter();
            found.extend(listed.filter(|c| self.is_listed(c)).map(|c| c.conversation_id));
            // A server that stays on a page would keep us for ever.
            if page.next.is_none() || page.next == after {
                return Ok(found);
            }
            after = page.next;
        }
    }

    /// The same for the same people, so that a repeat does not begin a second conversation.
    fn client_id(&self) -> Result<ClientId, Error> {
        let mut hash = Sha256::new();
        let people = self.members.iter().map(UserId::as_str);
        for part in people.chain(self.title.as_deref()) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digits = id::hex(hash.finalize().get(..16).unwrap_or_default());
        ClientId::new(&format!("chat-{digits}")).map_err(|e| Error::Invalid(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).expect("an id")
    }

    fn wanted(me: &str, others: &[&str], title: Option<&str>) -> Wanted {
        let others: Vec<_> = others.iter().map(|name| user(name)).collect();
        Wanted::new(&user(me), &others, title.map(Into::into)).expect("possible")
    }

    #[test]
    fn both_sides_want_the_same() {
        let (ann, bob) = (wanted("ann", &["bob"], None), wanted("bob", &["ann"], None));
        assert_eq!(ann.members, bob.members);
        assert_eq!(ann.client_id(), bob.client_id());
        assert!(ann.fits(ConversationKind::Private, None, &[user("bob"), user("ann")]));
        assert!(!ann.fits(ConversationKind::Private, None, &[user("bob"), user("eve")]));
        assert!(!ann.fits(ConversationKind::Group, None, &[user("ann"), user("bob")]));
    }

    #[test]
    fn a_title_makes_a_group_of_its_own() {
        let titled = wanted("ann", &["bob"], Some("Night shift"));
        assert_eq!(titled.kind, ConversationKind::Group);
        assert_ne!(titled.client_id(), wanted("ann", &["bob"], Some("Day shift")).client_id());
        assert!(titled.fits(ConversationKind::Group, Some("Night shift"), &titled.members));
        assert!(!titled.fits(ConversationKind::Group, None, &titled.members));
    }

    #[test]
    fn nobody_and_too_many_are_refused() {
        assert!(Wanted::new(&user("ann"), &[user("ann")], None).is_err());
        let many: Vec<_> = (0..20).map(|i| user(&format!("u{i}"))).collect();
        assert!(Wanted::new(&user("ann"), &many, None).is_err());
    }
}
