//! The protocol in TypeScript, from these types: `clients/typescript/src/generated.ts`.

use std::{collections::BTreeMap, fmt::Write};

use ts_rs::{Config, TS, TypeVisitor};

use crate::{
    Advice, CloseCode, Command, TopicKind, command, deflate, event,
    event::name,
    frame,
    id::{self, Lane},
    presence, tick,
};

/// What stands in the TypeScript file.
pub fn generate() -> String {
    let mut types = Types::default();
    let commands = Command::describe(&mut types);
    let events = events(&mut types);
    types.visit::<Advice>();
    types.visit::<event::LogEntry>();
    types.visit::<TopicKind>();

    let mut out = String::from(
        "// Generated from the types of proto/. Renew it with\n\
         // cargo run -p fanfare-proto --features typescript --example typescript > clients/typescript/src/generated.ts\n\n",
    );
    for declaration in types.declared.values() {
        out.push_str(declaration);
        out.push('\n');
    }
    map(&mut out, "Data of each request.", "Requests", commands.iter().map(|c| (c.name, &c.data)));
    let answered = commands.iter().filter(|c| c.answer != "null");
    map(&mut out, "Data of each request's answer.", "Answers", answered.map(|c| (c.name, &c.answer)));
    let kind = |log| events.iter().filter(move |e| e.log == log).map(|e| (e.name, &e.data));
    map(&mut out, "Data of the events of logs: each has a place in a topic.", "LogEvents", kind(true));
    map(&mut out, "Data of all other events.", "PlainEvents", kind(false));

    let durable = commands.iter().filter(|c| c.durable).map(|c| c.name);
    list(&mut out, "Requests that a client repeats until they are answered.", "DURABLE", durable);
    let log = events.iter().filter(|e| e.log).map(|e| e.name);
    list(&mut out, "Events of logs.", "LOG_EVENTS", log);
    let urgent = TopicKind::ALL.into_iter().filter(|kind| kind.lane() == Lane::Urgent).map(TopicKind::as_str);
    list(
        &mut out,
        "Kinds of topic on the urgent lane; all others travel on the ordered one.",
        "URGENT_KINDS",
        urgent,
    );
    numbers(&mut out);
    out
}

/// A command as TypeScript needs it.
pub(crate) struct CommandRow {
    pub(crate) name: &'static str,
    pub(crate) data: String,
    pub(crate) answer: String,
    /// It carries a `client_id`, so that repeats are harmless.
    pub(crate) durable: bool,
}

struct EventRow {
    name: &'static str,
    data: String,
    log: bool,
}

/// Events by name. `authenticated`, `reply` and `client:pong` are answers: see the commands.
fn events(types: &mut Types) -> Vec<EventRow> {
    let mut rows = Vec::new();
    let mut row = |name, data, log| rows.push(EventRow { name, data, log });
    row(name::CONVERSATION_CREATED, types.name::<event::Conversation>(), true);
    row(name::MESSAGE_NEW, types.name::<event::MessageNew>(), true);
    row(name::SYSTEM_BROADCAST, types.name::<event::Notice>(), true);
    row(name::EVENT_UNREADABLE, types.name::<command::Empty>(), true);
    row(name::ERROR, types.name::<event::ErrorBody>(), false);
    row(name::TOPICS, types.name::<event::Topics>(), false);
    row(name::SERVER_PING, types.name::<event::ServerPing>(), false);
    row(name::SERVER_GOING_AWAY, types.name::<event::GoingAway>(), false);
    row(name::SUBSCRIPTION_ENDED, types.name::<event::SubscriptionEnded>(), false);
    row(name::TOPICS_ENDED, types.name::<event::TopicsEnded>(), false);
    row(name::MESSAGE_DELIVERED, types.name::<event::Receipt>(), false);
    row(name::MESSAGE_READ, types.name::<event::Receipt>(), false);
    row(name::LOCATION_SNAPSHOT, types.name::<event::LocationSnapshot>(), false);
    row(name::LOCATION_AGENTS, types.name::<event::LocationAgents>(), false);
    row(name::LOCATION_REMOVED, types.name::<event::LocationRemoved>(), false);
    row(name::LOCATION_STORED, types.name::<event::LocationStored>(), false);
    row(name::PRESENCE_SNAPSHOT, types.name::<presence::PresenceSnapshot>(), false);
    row(name::PRESENCE_CHANGED, types.name::<presence::PresenceChanged>(), false);
    rows
}

/// Declarations of the types met so far, by name.
pub(crate) struct Types {
    config: Config,
    declared: BTreeMap<String, String>,
}

impl Default for Types {
    fn default() -> Self {
        // Numbers that travel are at most 2^53 - 1, which JavaScript's numbers hold.
        Self { config: Config::new().with_large_int("number"), declared: BTreeMap::new() }
    }
}

impl Types {
    /// The name of a type, which is declared from now on.
    pub(crate) fn name<T: TS + 'static + ?Sized>(&mut self) -> String {
        self.visit::<T>();
        T::name(&self.config)
    }

    /// A type's content.
    pub(crate) fn inline<T: TS>(&self) -> String {
        T::inline(&self.config)
    }
}

impl TypeVisitor for Types {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only types of their own have a file of their own.
        if T::output_path().is_none() || self.declared.contains_key(&T::ident(&self.config)) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let declaration = tidy(&format!("{docs}export {}\n", T::decl(&self.config)));
        self.declared.insert(T::ident(&self.config), declaration);
        T::visit_dependencies(self);
    }
}

/// One field a line, and remarks of one line on one line.
fn tidy(declaration: &str) -> String {
    let text = declaration.replace(", };", ",\n};").replace(", }", " }");
    let indented = text.contains("{ \n");
    let mut out = String::new();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let inside = indented && !out.is_empty() && out.contains("{\n") && line != "};";
        let indent = if inside { "  " } else { "" };
        let remark = (line == "/**").then(|| lines.next_if(|next| *next != "*/")).flatten();
        match remark {
            Some(first) if lines.next_if_eq(&"*/").is_some() => {
                write_to(&mut out, format_args!("{indent}/** {} */\n", first.trim_start_matches("* ")));
            }
            Some(first) => write_to(&mut out, format_args!("{indent}/**\n{indent} {first}\n")),
            None if line.starts_with('*') => write_to(&mut out, format_args!("{indent} {line}\n")),
            None => write_to(&mut out, format_args!("{indent}{line}\n")),
        }
    }
    out
}

fn map<'a>(out: &mut String, doc: &str, name: &str, rows: impl Iterator<Item = (&'a str, &'a String)>) {
    let rows = rows.fold(String::new(), |rows, (key, value)| rows + &format!("  '{key}': {value};\n"));
    write_to(out, format_args!("/** {doc} */\nexport interface {name} {{\n{rows}}}\n\n"));
}

fn list<'a>(out: &mut String, doc: &str, name: &str, items: impl Iterator<Item = &'a str>) {
    let items: Vec<_> = items.map(|item| format!("'{item}'")).collect();
    write_to(out, format_args!("/** {doc} */\nexport const {name} = [{}] as const;\n\n", items.join(", ")));
}

fn numbers(out: &mut String) {
    let close = CloseCode::ALL.map(|code| {
        let (number, advice) = (code.number(), Advice::of(code.number().into()));
        format!(
            "  {number}: {{ reason: '{}', advice: {} }},\n",
            code.reason(),
            json(&advice).replace('"', "'")
        )
    });
    write_to(
        out,
        format_args!(
            "/** Close codes: what happened, and when to come back. */\nexport const CLOSE = {{\n{}}} as const;\n\n",
            close.concat()
        ),
    );
    let limits = [
        ("id_bytes", id::MAX_ID as u64),
        ("number", id::MAX_NUMBER),
        ("event_bytes", frame::MAX_EVENT as u64),
        ("sent_event_bytes", frame::MAX_SENT as u64),
        ("frame_header_bytes", frame::HEADER as u64),
        ("compressed_mark", deflate::MARK.into()),
        ("compress", command::MAX_COMPRESS as u64),
        ("packet_bytes", tick::MAX_PACKET as u64),
        ("packet_version", tick::VERSION.into()),
        ("token_bytes", command::MAX_TOKEN as u64),
        ("cursors", command::MAX_CURSORS as u64),
        ("members", command::MAX_MEMBERS as u64),
        ("title_bytes", command::MAX_TITLE as u64),
        ("text_bytes", command::MAX_TEXT as u64),
        ("broadcast_bytes", command::MAX_BROADCAST as u64),
        ("fixes", command::MAX_FIXES as u64),
        ("status_text_bytes", presence::MAX_STATUS_TEXT as u64),
        ("watched_users", presence::MAX_WATCHED as u64),
        ("presence_page", presence::MAX_PRESENCE_PAGE as u64),
    ];
    let limits: String = limits.map(|(name, value)| format!("  {name}: {value},\n")).concat();
    write_to(
        out,
        format_args!("/** Limits of the protocol. */\nexport const LIMITS = {{\n{limits}}} as const;\n"),
    );
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}
