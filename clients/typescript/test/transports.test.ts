// The adapters to the browser's transports, where the browser does not do as it is asked.
import { afterEach, expect, test, vi } from 'vitest';
import type { Listener } from '../src/index.ts';
import { openWebSocket } from '../src/websocket.ts';
import { openWebTransport } from '../src/webtransport.ts';

afterEach(() => vi.unstubAllGlobals());

const address = { url: 'https://h/wt', hashes: [] };
const listener: Listener = { event() {}, packet() {}, closed: vi.fn() };

/** A session that is open; `over` puts other parts in. */
function browser(over: object = {}) {
  const sessions: { closes: unknown[] }[] = [];
  class Fake {
    readonly closes: unknown[] = [];
    readonly ready = Promise.resolve();
    readonly closed = new Promise(() => {});
    readonly incomingUnidirectionalStreams = new ReadableStream();
    readonly datagrams: object = {
      readable: new ReadableStream(),
      writable: new WritableStream({ write: () => new Promise(() => {}) }, { highWaterMark: 1 }),
    };
    constructor() {
      Object.assign(this, over);
      sessions.push(this);
    }
    createBidirectionalStream = async () => ({ writable: new WritableStream() });
    close(info?: unknown) {
      this.closes.push(info);
    }
  }
  vi.stubGlobal('WebTransport', Fake);
  return sessions;
}

for (const [what, over] of Object.entries({
  'has no stream for requests': { createBidirectionalStream: async () => Promise.reject(new Error('too many streams')) },
  'has nothing to write datagrams to': { datagrams: { readable: new ReadableStream() } },
})) {
  test(`a session that ${what} is closed, and another transport may win`, async () => {
    const broken = browser(over);
    await expect(openWebTransport(address, listener, new AbortController().signal)).rejects.toThrow();
    expect(broken.map(({ closes }) => closes.length)).toEqual([1]);
    expect(listener.closed).not.toHaveBeenCalled();
  });
}

test('a datagram that the network does not take is left out, and that is said', async () => {
  const sessions = browser();
  const link = await openWebTransport(address, listener, new AbortController().signal);
  expect(link.sendPacket(Uint8Array.of(1))).toBe(true);
  expect(link.sendPacket(Uint8Array.of(2))).toBe(false);
  link.close(1000, 'done');
  expect(sessions[0]?.closes).toEqual([{ closeCode: 1000, reason: 'done' }]);
  expect(link.sendPacket(Uint8Array.of(3))).toBe(false);
});

test('a binary message that would wait too long is left out, and that is said', async () => {
  const sent: unknown[] = [];
  class Fake {
    static readonly OPEN = 1;
    static last: Fake;
    readyState = 1;
    bufferedAmount = 0;
    onopen?: () => void;
    constructor() {
      Fake.last = this;
      queueMicrotask(() => this.onopen?.());
    }
    send(data: unknown) {
      sent.push(data);
    }
  }
  vi.stubGlobal('WebSocket', Fake);
  const link = await openWebSocket({ url: 'ws://h/ws', hashes: [] }, listener, new AbortController().signal);
  expect(link.sendPacket(Uint8Array.of(1))).toBe(true);
  Fake.last.bufferedAmount = 1_000_000;
  expect(link.sendPacket(Uint8Array.of(2))).toBe(false);
  Fake.last.bufferedAmount = 0;
  Fake.last.readyState = 2;
  expect(link.sendPacket(Uint8Array.of(3))).toBe(false);
  expect(sent).toEqual([Uint8Array.of(1)]);
});
