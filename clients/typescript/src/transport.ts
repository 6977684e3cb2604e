// What a transport is to the rest of the client. Two adapters: webtransport.ts, websocket.ts.

export type Kind = 'webtransport' | 'websocket';

/** Where events came: `both` stands for a transport that has one order for all. */
export type Lane = 'ordered' | 'urgent' | 'both';

/** What a link tells. Nothing is told after `closed`, which comes exactly once. Must not throw. */
export interface Listener {
  event(text: string, lane: Lane): void;
  packet(bytes: Uint8Array): void;
  closed(end: End): void;
}

/** How a connection ended. Without a code it broke. */
export interface End {
  readonly code?: number;
  readonly reason?: string;
}

/** An open transport. */
export interface Link {
  readonly kind: Kind;
  /** Whether it inflates what the server compresses. Without it the server is not asked to. */
  readonly inflates?: boolean;
  /** Sends an event, reliably and in order. */
  send(text: string): void;
  /** Sends a packet, which may get lost. Answers `false` where it was left out for lack of room. */
  sendPacket(bytes: Uint8Array): boolean | void;
  /** Ends it. The listener hears no more than `closed`. */
  close(code: number, reason: string): void;
}

export interface Address {
  readonly url: string;
  /** SHA-256 of certificates to pin; empty where an authority vouches. */
  readonly hashes: readonly Uint8Array<ArrayBuffer>[];
}

/** Opens a link, or rejects. An aborted `signal` gives up, and closes what comes of it all the same. */
export type Open = (address: Address, listener: Listener, signal: AbortSignal) => Promise<Link>;

/**
 * How a connection ends of which something cannot be read. The server's "never" is no word of ours: the next connection may
 * bring it whole, so to the client it is one that failed for now.
 */
export const UNREADABLE = { told: 4202, taken: 4102 };
