// The adapters to the browser's transports, where the browser does not do as it is asked.
import { deflateRawSync } from 'node:zlib';
import { afterEach, expect, test, vi } from 'vitest';
import { encodeFrame } from '../src/frames.ts';
import type { Lane, Listener } from '../src/index.ts';
import { openWebSocket } from '../src/websocket.ts';
import { openWebTransport } from '../src/webtransport.ts';
import { World } from './fake.ts';

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

/** What a listener hears, in order. */
function ear() {
  const heard: string[] = [];
  const listener: Listener = {
    event: (text: string, lane: Lane) => void heard.push(`${lane} ${text.slice(0, 5)}`),
    packet: (bytes) => void heard.push(`packet ${bytes[0]}`),
    closed: ({ code }) => void heard.push(`closed ${code}`),
  };
  const wait = (count: number) => vi.waitUntil(() => heard.length >= count, { timeout: 20_000, interval: 1 });
  return { heard, listener, wait };
}

const deflated = (text: string) => Uint8Array.from(deflateRawSync(text));
const large = (name: string) => deflated(name.padEnd(30_000, ' and so on'));

/** A WebSocket whose other end is the test. */
async function socket(listener: Listener) {
  class Fake {
    static last: Fake;
    closes: unknown[] = [];
    onopen?: () => void;
    onclose?: (end: object) => void;
    onmessage!: (message: object) => void;
    constructor() {
      Fake.last = this;
      queueMicrotask(() => this.onopen?.());
    }
    close(code: number) {
      this.closes.push(code);
    }
    say(data: string | Uint8Array) {
      this.onmessage({ data: typeof data === 'string' ? data : data.slice().buffer });
    }
  }
  vi.stubGlobal('WebSocket', Fake);
  const link = await openWebSocket({ url: 'ws://h/ws', hashes: [] }, listener, new AbortController().signal);
  return { link, fake: Fake.last };
}

const marked = (content: Uint8Array) => Uint8Array.from(Buffer.concat([Uint8Array.of(0x80), content]));

test('behind a compressed message what is plain waits, and the end waits for both; packets wait for nothing', async () => {
  const { heard, listener, wait } = ear();
  const { link, fake } = await socket(listener);
  expect(link.inflates).toBe(true);
  fake.say('first');
  expect(heard).toEqual(['both first']);
  fake.say(marked(large('large')));
  fake.say('small');
  fake.say(marked(large('other')));
  fake.say(Uint8Array.of(1));
  fake.onclose?.({ code: 4000, reason: '' });
  expect(heard).toEqual(['both first', 'packet 1']);
  await wait(6);
  expect(heard.slice(2)).toEqual(['both large', 'both small', 'both other', 'closed 4000']);
});

test('once nothing is being inflated, events come at once again', async () => {
  const { heard, listener, wait } = ear();
  const { fake } = await socket(listener);
  fake.say(marked(large('large')));
  await wait(1);
  await new Promise((resolve) => setTimeout(resolve));
  fake.say('small');
  expect(heard).toEqual(['both large', 'both small']);
});

test('a message that cannot be inflated, or to too much, ends the connection, and nothing behind it is told', async () => {
  for (const bad of [deflated('x').subarray(1), Uint8Array.of(), Uint8Array.from(deflateRawSync(Buffer.alloc(1 << 24)))]) {
    const { heard, listener, wait } = ear();
    const { fake } = await socket(listener);
    fake.say(marked(bad));
    fake.say('behind');
    await wait(1);
    expect(heard).toEqual(['closed 4102']);
    expect(fake.closes).toEqual([4202]);
  }
}, 30_000);

test('a frame that cannot be read, or inflated, ends the session; the next one may be better', async () => {
  for (const bad of [Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff), Uint8Array.of(0, 0x80, 0, 0, 2, 0xff, 0xff)]) {
    const { heard, listener, wait } = ear();
    const lane = new ReadableStream<Uint8Array>({ start: (to) => to.enqueue(bad) });
    const sessions = browser({ incomingUnidirectionalStreams: new ReadableStream({ start: (to) => to.enqueue(lane) }) });
    await openWebTransport(address, listener, new AbortController().signal);
    await wait(1);
    expect(heard).toEqual(['closed 4102']);
    expect(sessions[0]?.closes).toEqual([{ closeCode: 4202, reason: 'malformed stream' }]);
  }
}, 30_000);

test('what one connection cannot read, the client asks the next one for', async () => {
  const sockets: Fake[] = [];
  class Fake {
    static readonly OPEN = 1;
    readyState = 1;
    onopen?: () => void;
    onmessage?: (message: object) => void;
    constructor() {
      sockets.push(this);
      queueMicrotask(() => this.onopen?.());
    }
    send(text: string) {
      const { event, id } = JSON.parse(text) as { event: string; id: number };
      const data = { connection_id: `n-${id}`, user_id: 'alice', organization_id: 'acme', roles: [], expires_at: 2e12, heartbeat_ms: 25_000, silence_ms: 60_000, time: 1e12 };
      if (event === 'authenticate') queueMicrotask(() => this.onmessage?.({ data: JSON.stringify({ event: 'authenticated', re: id, data }) }));
    }
    close() {}
  }
  vi.stubGlobal('WebSocket', Fake);
  const world = new World();
  const client = world.client({ transport: 'websocket', transports: {} });
  client.connect();
  await world.clock.pass(0);
  expect(client.state.name).toBe('open');
  sockets[0]?.onmessage?.({ data: marked(Uint8Array.of(0xff)).slice().buffer });
  await vi.waitUntil(() => client.state.name !== 'open', { timeout: 20_000, interval: 1 });
  expect(client.state).toMatchObject({ name: 'backoff', reason: 'malformed message' });
  await world.clock.pass(60_000);
  expect(sockets.length).toBeGreaterThan(1);
  client.close();
}, 30_000);

test('on a stream what is behind a compressed event waits, on the other stream nothing does', async () => {
  const framed = (content: Uint8Array) => Uint8Array.of(0x80, 0, content.length >> 8, content.length & 0xff, ...content);
  const { heard, listener, wait } = ear();
  const lanes: ReadableStreamDefaultController<Uint8Array>[] = [];
  const lane = () => new ReadableStream<Uint8Array>({ start: (controller) => void lanes.push(controller) });
  browser({ incomingUnidirectionalStreams: new ReadableStream({ start: (to) => (to.enqueue(lane()), to.enqueue(lane())) }) });
  const link = await openWebTransport(address, listener, new AbortController().signal);
  expect(link.inflates).toBe(true);
  const [ordered, urgent] = lanes as [ReadableStreamDefaultController<Uint8Array>, ReadableStreamDefaultController<Uint8Array>];
  ordered.enqueue(Uint8Array.of(0, ...framed(large('large')), ...encodeFrame('small')));
  ordered.enqueue(encodeFrame('third'));
  urgent.enqueue(Uint8Array.of(1, ...encodeFrame('alarm')));
  await wait(4);
  expect(heard).toEqual(['urgent alarm', 'ordered large', 'ordered small', 'ordered third']);
});

test('a browser that cannot inflate does not say that it can', async () => {
  vi.stubGlobal('DecompressionStream', class { constructor() { throw new TypeError('unsupported'); } });
  expect((await socket(ear().listener)).link.inflates).toBe(false);
  vi.stubGlobal('DecompressionStream', undefined);
  expect((await socket(ear().listener)).link.inflates).toBe(false);
});
