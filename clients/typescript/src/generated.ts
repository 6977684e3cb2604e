// Generated from the types of proto/. Renew it with
// cargo run -p fanfare-proto --features typescript --example typescript > clients/typescript/src/generated.ts

/** When a client whose connection was closed may come back. */
export type Advice = "now" | "later" | "never";

/** An agent's fix. */
export type AgentFix = {
  /** The agent. */
  agent_id: UserId,
  /** The fix. */
  fix: JsonFix,
};

/** An agent's alias, and its newest fix where one is told. */
export type AliasedAgent = {
  /** Stands for the agent in ticks of this epoch. */
  alias: number,
  /** The agent. */
  agent_id: UserId,
  /** Its newest fix. */
  fix?: JsonFix,
};

/** See [`Command::Authenticate`]. */
export type Authenticate = {
  /** The JSON web token. May be left out where the handshake carried it. */
  token?: string,
  /** The device, kept by the client. Without one the connection is a device of its own. */
  device_id?: DeviceId,
  /** Where the device stands, newest topics first. */
  cursors?: Array<Cursor>,
  /**
   * Ways of compression that the client can undo, such as [`deflate::NAME`](crate::deflate::NAME). What the server
   * does not know is passed over.
   */
  compress?: Array<string>,
};

/** See [`name::AUTHENTICATED`]. */
export type Authenticated = {
  /** This connection. */
  connection_id: string,
  /** Who the token says the caller is. */
  user_id: UserId,
  /** The caller's organisation. */
  organization_id: OrgId,
  /** The caller's roles. */
  roles: Array<string>,
  /** When the token ends, and the connection with it. */
  expires_at: UnixMs,
  /** How often the server sends `server:ping`, in milliseconds. */
  heartbeat_ms: number,
  /** How long the client may be silent before it is closed, in milliseconds. */
  silence_ms: number,
  /** The server's clock. */
  time: UnixMs,
  /** How large events are compressed from now on, both ways; without it, not at all. */
  compress?: string,
};

/** What a device may say of itself. */
export type Availability = "offline" | "away" | "online" | "busy";

/** Why a value is no fix. Also the label under which the server counts the rejection. */
export type BadFix = "not_finite" | "out_of_range" | "malformed" | "clock_ahead" | "too_old" | "unknown";

/** What can be subscribed to. */
export type Channel = "locations" | "presence";

/**
 * A client's id for one mutating request. A repeat with the same id changes nothing.
 *
 * Cheap to clone: the text is shared.
 */
export type ClientId = string;

/** A conversation: data of [`name::CONVERSATION_CREATED`]. */
export type Conversation = {
  /** Its id. */
  conversation_id: ConversationId,
  /** Its kind. */
  kind: ConversationKind,
  /** Its name. */
  title?: string,
  /** How many take part. */
  member_count: number,
  /** The first of them, at most [`LISTED_MEMBERS`], in order of their ids. */
  members: Array<UserId>,
};

/** See [`Command::ConversationCreate`]. */
export type ConversationCreate = {
  /** Makes a repeat harmless. */
  client_id: ClientId,
  /** What kind. */
  kind: ConversationKind,
  /** A name to show. */
  title?: string,
  /** Who takes part, besides the caller. */
  members: Array<UserId>,
};

/**
 * A conversation.
 *
 * Cheap to clone: the text is shared.
 */
export type ConversationId = string;

/** Kinds of conversation. */
export type ConversationKind = "private" | "group";

/** See [`Command::ConversationList`]. */
export type ConversationList = {
  /** `next` of the page before. */
  after?: ConversationId,
  /** Most conversations to answer (1 to 20). */
  limit?: number,
};

/** A conversation and where its caller stands in it. */
export type ConversationSummary = {
  /** Its id. */
  conversation_id: ConversationId,
  /** Its kind. */
  kind: ConversationKind,
  /** Its name. */
  title?: string,
  /** How many take part. */
  member_count: number,
  /** The first of them, at most 20, in order of their ids. */
  members: Array<UserId>,
  /** The life of its log. */
  epoch: Epoch,
  /** The newest position. */
  head: Seq,
  /** Up to where the caller has read. */
  read: Seq,
  /** Messages after that which can still be read. */
  unread: number,
  /**
   * When its newest event was stored, while that can be read. Pages come in order of ids: who shows conversations by
   * their newest event reads all pages first.
   */
  last_at?: UnixMs,
};

/** Answers `conversation:list`. */
export type Conversations = {
  /** A page, by id. */
  conversations: Array<ConversationSummary>,
  /** Where the next page starts. */
  next?: ConversationId,
};

/** Where a device stands in a topic: it has everything up to `seq` that it may see. */
export type Cursor = {
  /** The topic. */
  topic: TopicName,
  /** The life of the topic's log that `seq` counts in. */
  epoch: Epoch,
  /** The last position held. */
  seq: Seq,
};

/**
 * A department of an organisation: a scope of what a user may see.
 *
 * Cheap to clone: the text is shared.
 */
export type DepartmentId = string;

/**
 * A device of a user, chosen and kept by the client.
 *
 * Cheap to clone: the text is shared.
 */
export type DeviceId = string;

/** A command without content. */
export type Empty = Record<symbol, never>;

/** A life of a topic's log. Positions of different epochs cannot be compared. */
export type Epoch = number;

/** Why a request was refused. */
export type ErrorBody = {
  /** For programs. */
  code: ErrorCode,
  /** For people. */
  message: string,
  /** When a repeat may succeed, where waiting helps. */
  retry_after_ms?: number,
};

/** Why a request was refused. The first ten are what clients of the replaced products know. */
export type ErrorCode = "AUTH_FAILED" | "UNAUTHORIZED" | "INVALID_MESSAGE" | "MESSAGE_TOO_LARGE" | "RATE_LIMIT_EXCEEDED" | "SUBSCRIPTION_FAILED" | "ROOM_NOT_FOUND" | "ROOM_FULL" | "CONNECTION_LIMIT" | "INTERNAL_ERROR" | "TOKEN_EXPIRED" | "TOKEN_NOT_YET_VALID" | "CONFLICT" | "UNAVAILABLE" | "UNKNOWN";

/** See [`name::SERVER_GOING_AWAY`]. */
export type GoingAway = {
  /** The connection is closed after so long, in milliseconds. */
  within_ms: number,
};

/** Answers `message:history`. */
export type History = {
  /** The events, oldest first. */
  events: Array<LogEvent>,
  /** There are more in the direction asked. */
  more: boolean,
  /** The newest position of the conversation. */
  head: Seq,
  /** How far the members are. */
  marks: Array<MemberMark>,
};

/** A fix as JSON carries it, in everyday units. [`Fix::try_from`] checks it. */
export type JsonFix = {
  /** See [`Fix::counter`]. */
  counter: number,
  /** Unix milliseconds. */
  time: UnixMs,
  /** Degrees. */
  lat: number,
  /** Degrees. */
  lon: number,
  /** Metres. */
  accuracy?: number,
  /** Metres a second. */
  speed?: number,
  /** Degrees clockwise from north. */
  heading?: number,
  /** Percent. */
  battery?: number,
};

/** An agent as it is known now. */
export type LatestAgent = {
  /** The agent. */
  agent_id: UserId,
  /** Its newest fix. Only agents that were asked for by `refused` may have none. */
  fix?: JsonFix,
  /** Fixes of the agent that were refused lately. */
  refused?: RefusedFixes,
};

/** Answers `location:latest`. */
export type LatestFixes = {
  /** A page, by agent. */
  agents: Array<LatestAgent>,
  /** Where the next page starts. */
  next?: UserId,
};

/** See [`name::LOCATION_AGENTS`]. */
export type LocationAgents = {
  /** The view. */
  view: number,
  /** The life of the aliases. */
  epoch: Epoch,
  /** The agents that joined, each with its first fix. */
  agents: Array<AliasedAgent>,
};

/** See [`Command::LocationHistory`]. */
export type LocationHistory = {
  /** Whose track. */
  agent_id: UserId,
  /** From this time on. */
  from: UnixMs,
  /** Up to and with this time. */
  to: UnixMs,
  /** `next` of the page before. */
  after?: string,
  /** Most fixes to answer (1 to 200). */
  limit?: number,
};

/** See [`Command::LocationLatest`]. */
export type LocationLatest = {
  /** `next` of the page before. */
  after?: UserId,
  /** Most agents to answer (1 to 100). */
  limit?: number,
  /** Only agents of whom fixes were refused lately, also those without any other. */
  refused?: boolean,
};

/** See [`name::LOCATION_REMOVED`]. */
export type LocationRemoved = {
  /** The view. */
  view: number,
  /** The life of the aliases. */
  epoch: Epoch,
  /** Who is no longer shown. */
  aliases: Array<number>,
};

/** See [`name::LOCATION_SNAPSHOT`]. */
export type LocationSnapshot = {
  /** The view. */
  view: number,
  /** The life of the aliases. Another epoch than before: forget every agent of the view. */
  epoch: Epoch,
  /** The agents of the view. */
  agents: Array<AliasedAgent>,
  /** Another part follows. */
  more: boolean,
};

/** See [`name::LOCATION_STORED`]; also the answer to `location:update`. */
export type LocationStored = {
  /** Counters of fixes that are stored, as ranges `[first, last]`. */
  stored: Array<[number, number]>,
  /** Fixes that will never be stored. Sending them again is of no use. */
  rejected?: Array<RejectedFix>,
};

/** See [`Command::LocationUpdate`]. */
export type LocationUpdate = {
  /** The fixes, each told apart by its counter. */
  fixes: Array<JsonFix>,
};

/** See [`Command::LocationWindow`]. */
export type LocationWindow = {
  /** From this time on. */
  from: UnixMs,
  /** Up to and with this time. */
  to: UnixMs,
  /** Only the agents of this department. */
  department_id?: DepartmentId,
  /** `next` of the page before. */
  after?: string,
  /** Most fixes to answer (1 to 100). */
  limit?: number,
};

/** What an event of a log carries besides name and payload. */
export type LogEntry = {
  /** Its topic. */
  topic: TopicName,
  /** The life of the topic's log. */
  epoch: Epoch,
  /** Its position. */
  seq: Seq,
  /** When the server took it. */
  at: UnixMs,
  /** Who caused it. */
  by: UserId,
  /** The author's id for the request. */
  client_id: ClientId,
};

/** An event of a log, as histories list it and as it is sent live. */
export type LogEvent = { [E in keyof LogEvents]: LogEntry & { event: E; data: LogEvents[E] } }[keyof LogEvents];

/** How far a member is. Listed for at most 40 members. */
export type MemberMark = {
  /** Who. */
  user_id: UserId,
  /** A device of theirs has everything up to this position. */
  delivered: Seq,
  /** They have read up to this position. */
  read: Seq,
};

/** See [`Command::MessageHistory`]. Without `before` and `after` the newest page is read. */
export type MessageHistory = {
  /** Which conversation. */
  conversation_id: ConversationId,
  /** The newest events before this position. */
  before?: Seq,
  /** The oldest events after this position. */
  after?: Seq,
  /** Most events to answer (1 to 100). */
  limit?: number,
};

/** See [`Command::MessageReceived`] and [`Command::MessageRead`]. */
export type MessageMark = {
  /** Which conversation. */
  conversation_id: ConversationId,
  /** Up to and with this position. */
  seq: Seq,
};

/** Data of [`name::MESSAGE_NEW`]. */
export type MessageNew = {
  /** Where. */
  conversation_id: ConversationId,
  /** What. To be escaped by whoever shows it. */
  text: string,
};

/** See [`Command::MessageSend`]. */
export type MessageSend = {
  /** Makes a repeat harmless: the first answer comes again. */
  client_id: ClientId,
  /** Where to. */
  conversation_id: ConversationId,
  /** The message. Opaque to the server; whoever shows it escapes it. */
  text: string,
};

/** Data of [`name::SYSTEM_BROADCAST`]. */
export type Notice = {
  /** What everyone is told. */
  message: string,
  /** How soon it was to arrive. */
  priority: Priority,
};

/**
 * An organisation (tenant). Comes from the token only.
 *
 * Cheap to clone: the text is shared.
 */
export type OrgId = string;

/** See [`name::CLIENT_PONG`]. */
export type Pong = {
  /** The server's clock. */
  time: UnixMs,
};

/** Somebody, as others see them. */
export type Presence = {
  /** Who. */
  user_id: UserId,
  /** What they are, over all devices. */
  status: Status,
  /** What they show beside the name. */
  text?: string,
  /** When they were last there, where they are not and ever were. */
  last_seen?: UnixMs,
  /** Of two within one subscription the higher is the newer. */
  version: number,
};

/** See [`name::PRESENCE_CHANGED`](crate::event::name::PRESENCE_CHANGED). */
export type PresenceChanged = {
  /** The view. */
  view: number,
  /** Who has changed, as they are now. */
  users: Array<Presence>,
};

/** See [`Command::PresenceGet`](crate::Command::PresenceGet). */
export type PresenceGet = {
  /** Of just these. Without it, of everyone of the organisation who was ever there, page by page. */
  users?: Array<UserId>,
  /** `next` of the page before. */
  after?: UserId,
  /** Most users to answer (1 to 50). */
  limit?: number,
};

/** Answers `presence:get`. */
export type PresencePage = {
  /** A page, by user; where users were named, those, in the order asked. */
  users: Array<Presence>,
  /** Where the next page starts. */
  next?: UserId,
};

/** See [`Command::PresenceSet`](crate::Command::PresenceSet). What is absent stays as it is. */
export type PresenceSet = {
  /** What this device is, for as long as it is there. */
  status?: Availability,
  /** What the user, on all devices, shows beside the name. Kept; empty for nothing. Whoever shows it escapes it. */
  text?: string,
};

/** See [`name::PRESENCE_SNAPSHOT`](crate::event::name::PRESENCE_SNAPSHOT). */
export type PresenceSnapshot = {
  /** The view. */
  view: number,
  /** Those who are watched, as they are. */
  users: Array<Presence>,
  /** Another part follows. */
  more: boolean,
};

/** How soon a notice must arrive. `urgent` travels on the urgent lane. */
export type Priority = "low" | "medium" | "high" | "urgent";

/** Data of [`name::MESSAGE_DELIVERED`] and [`name::MESSAGE_READ`], and the answer to the commands that cause them. */
export type Receipt = {
  /** Where. */
  conversation_id: ConversationId,
  /** Who. */
  user_id: UserId,
  /** Up to and with this position. */
  seq: Seq,
};

/** Fixes that were refused since the last one that was taken. */
export type RefusedFixes = {
  /** Why the last of them was. */
  reason: BadFix,
  /** How many. */
  count: number,
  /** When the last of them came, by the server's clock. */
  last_at: UnixMs,
};

/** A fix that was refused. */
export type RejectedFix = {
  /** Its counter; 0 where that cannot be read. */
  counter: number,
  /** Why. */
  reason: BadFix,
  /** Of `location:update`: which one of its fixes, from 0. */
  index?: number,
};

/** Position of an event in its topic: 1, 2, 3 … without gaps. 0 stands before the first event. */
export type Seq = number;

/** See [`name::SERVER_PING`]. */
export type ServerPing = {
  /** The server's clock. */
  time: UnixMs,
  /** Cursors that moved without an event for this client. */
  pos?: Array<Cursor>,
};

/** What others see of somebody. */
export type Status = "offline" | "away" | "online" | "busy" | "in_call";

/** Answers `conversation:create`, `message:send` and `system:broadcast`: what was asked is durable. */
export type Stored = {
  /** The topic. */
  topic: TopicName,
  /** The life of its log. */
  epoch: Epoch,
  /** The event's position. */
  seq: Seq,
  /** When the server took it. */
  at: UnixMs,
  /** It was stored by an earlier request with the same client id. */
  duplicate?: boolean,
  /** The conversation that was created. */
  conversation_id?: ConversationId,
};

/** See [`Command::Subscribe`]. */
export type Subscribe = {
  /** Which channels. */
  channels: Array<Channel>,
  /** Of `locations`, only what happens in this department. */
  department_id?: DepartmentId,
  /** Of `presence`, just these users. Without it, everyone. */
  users?: Array<UserId>,
};

/** Answers `subscribe`. */
export type Subscribed = {
  /** One for each channel. */
  subscriptions: Array<Subscription>,
};

/** A channel as it was granted. */
export type Subscription = {
  /** The channel. */
  channel: Channel,
  /** The view whose ticks and events belong to it. */
  view: number,
  /** The life of the view's aliases. */
  epoch: Epoch,
};

/** See [`name::SUBSCRIPTION_ENDED`]. */
export type SubscriptionEnded = {
  /** The channel. */
  channel: Channel,
  /** Its view: nothing of it follows. */
  view: number,
  /** Why: what a `subscribe` like the one that was granted gets now. */
  error: ErrorBody,
};

/** See [`Command::SystemBroadcast`]. */
export type SystemBroadcast = {
  /** Makes a repeat harmless. */
  client_id: ClientId,
  /** What everyone is told. */
  message: string,
  /** How soon. */
  priority?: Priority,
};

/** See [`Command::TokenRefresh`]. */
export type TokenRefresh = {
  /** A token of the same user and organisation. */
  token: string,
};

/** Answers `token:refresh`. */
export type TokenRefreshed = {
  /** When the new token ends. */
  expires_at: UnixMs,
  /** The roles that count from now on. */
  roles: Array<string>,
  /**
   * Channels of which the new rights show another part: subscribe again. Those that they do not allow any more are told
   * by [`name::SUBSCRIPTION_ENDED`]; all others go on.
   */
  resubscribe?: Array<Channel>,
};

/** Kinds of topic. A kind decides the lane, so within a topic nothing overtakes. */
export type TopicKind = "conversation" | "notice" | "urgent_notice" | "revocation";

/** A topic as a client names it, `kind:key`. Its organisation is the connection's. */
export type TopicName = `${TopicKind}:${string}`;

/** Where a device stands in a topic. */
export type TopicState = {
  /** The topic. */
  topic: TopicName,
  /** The life of its log. Replaces the epoch of an older cursor. */
  epoch: Epoch,
  /** Everything after this position follows as events. */
  seq: Seq,
  /** The newest position. */
  head: Seq,
  /** Countable events after the user's read mark. */
  unread: number,
  /**
   * Whether the cursor could be honoured: with `true` nothing is missing; with `false` there is a gap before
   * the events that follow. Absent where no cursor was given.
   */
  recovered?: boolean,
};

/** See [`name::TOPICS`]. */
export type Topics = {
  /** Some of the topics. Of a kind that this version does not know, none. */
  topics: Array<TopicState>,
  /** Another `topics` event follows. */
  more: boolean,
};

/** See [`name::TOPICS_ENDED`]. */
export type TopicsEnded = {
  /** The kinds: no event and no receipt of such a topic follows. */
  kinds: Array<TopicKind>,
  /** Why. */
  error: ErrorBody,
};

/** Answers `location:history`. */
export type Track = {
  /** A page, by time. */
  fixes: Array<JsonFix>,
  /** Where the next page starts. */
  next?: string,
};

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type UnixMs = number;

/** See [`Command::Unsubscribe`]. */
export type Unsubscribe = {
  /** Which channels. */
  channels: Array<Channel>,
};

/**
 * A user within an organisation: the token's `sub`.
 *
 * Cheap to clone: the text is shared.
 */
export type UserId = string;

/** Answers `location:window`. */
export type WindowFixes = {
  /** A page, by UTC day, then by agent, then by time. It may hold none while there is a next page. */
  fixes: Array<AgentFix>,
  /** Where the next page starts. */
  next?: string,
};

/** Data of each request. */
export interface Requests {
  'authenticate': Authenticate;
  'subscribe': Subscribe;
  'unsubscribe': Unsubscribe;
  'client:ping': Empty;
  'server:pong': Empty;
  'token:refresh': TokenRefresh;
  'conversation:create': ConversationCreate;
  'conversation:list': ConversationList;
  'message:send': MessageSend;
  'message:history': MessageHistory;
  'message:received': MessageMark;
  'message:read': MessageMark;
  'location:update': LocationUpdate;
  'location:latest': LocationLatest;
  'location:history': LocationHistory;
  'location:window': LocationWindow;
  'system:broadcast': SystemBroadcast;
  'presence:set': PresenceSet;
  'presence:get': PresenceGet;
}

/** Data of each request's answer. */
export interface Answers {
  'authenticate': Authenticated;
  'subscribe': Subscribed;
  'unsubscribe': Empty;
  'client:ping': Pong;
  'token:refresh': TokenRefreshed;
  'conversation:create': Stored;
  'conversation:list': Conversations;
  'message:send': Stored;
  'message:history': History;
  'message:received': Receipt;
  'message:read': Receipt;
  'location:update': LocationStored;
  'location:latest': LatestFixes;
  'location:history': Track;
  'location:window': WindowFixes;
  'system:broadcast': Stored;
  'presence:set': Presence;
  'presence:get': PresencePage;
}

/** Data of the events of logs: each has a place in a topic. */
export interface LogEvents {
  'conversation:created': Conversation;
  'message:new': MessageNew;
  'system:broadcast': Notice;
  'event:unreadable': Empty;
}

/** Data of all other events. */
export interface PlainEvents {
  'error': ErrorBody;
  'topics': Topics;
  'server:ping': ServerPing;
  'server:going_away': GoingAway;
  'subscription:ended': SubscriptionEnded;
  'topics:ended': TopicsEnded;
  'message:delivered': Receipt;
  'message:read': Receipt;
  'location:snapshot': LocationSnapshot;
  'location:agents': LocationAgents;
  'location:removed': LocationRemoved;
  'location:stored': LocationStored;
  'presence:snapshot': PresenceSnapshot;
  'presence:changed': PresenceChanged;
}

/** Requests that a client repeats until they are answered. */
export const DURABLE = ['conversation:create', 'message:send', 'system:broadcast'] as const;

/** Events of logs. */
export const LOG_EVENTS = ['conversation:created', 'message:new', 'system:broadcast', 'event:unreadable'] as const;

/** Kinds of topic on the urgent lane; all others travel on the ordered one. */
export const URGENT_KINDS = ['urgent_notice', 'revocation'] as const;

/** Close codes: what happened, and when to come back. */
export const CLOSE = {
  4000: { reason: 'going away', advice: 'now' },
  4001: { reason: 'slow, resume', advice: 'now' },
  4002: { reason: 'silent for too long', advice: 'now' },
  4003: { reason: 'token expired', advice: 'now' },
  4100: { reason: 'not authenticated in time', advice: 'later' },
  4101: { reason: 'too many connections', advice: 'later' },
  4102: { reason: 'unavailable', advice: 'later' },
  4103: { reason: 'closed by an administrator', advice: 'later' },
  4104: { reason: 'token not yet valid', advice: 'later' },
  4200: { reason: 'authentication failed', advice: 'never' },
  4201: { reason: 'too many invalid messages', advice: 'never' },
  4202: { reason: 'message too large', advice: 'never' },
  4203: { reason: 'protocol violation', advice: 'never' },
  4204: { reason: 'revoked', advice: 'never' },
} as const;

/** Limits of the protocol. */
export const LIMITS = {
  id_bytes: 128,
  number: 9007199254740991,
  event_bytes: 1048576,
  sent_event_bytes: 32768,
  frame_header_bytes: 4,
  compressed_mark: 128,
  compress: 8,
  packet_bytes: 1024,
  packet_version: 1,
  token_bytes: 8192,
  cursors: 100,
  members: 1000,
  title_bytes: 256,
  text_bytes: 16384,
  broadcast_bytes: 4096,
  fixes: 500,
  status_text_bytes: 256,
  watched_users: 200,
  presence_page: 50,
} as const;
