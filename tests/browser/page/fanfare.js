// A client as small as it can be: it speaks the protocol (proto/README.md) and does nothing by itself.
import { unpackTicks } from './packets.js';

/** Where and how to connect. A page of a foreign origin is not let read it. */
export async function discover(base) {
  const response = await fetch(`${base}/api/v1/transport`);
  return response.json();
}

/** Connects as `told` and authenticates. */
export async function open(told, transport, token) {
  const session = await connect(told, transport);
  await session.request('authenticate', { token });
  await session.until(() => session.events.find((e) => e.event === 'topics' && !e.data.more));
  return session;
}

/** Connects and says nothing. Fails where the server turns the page away. */
export async function connect(told, transport) {
  const session = transport === 'websocket' ? new OverWebSocket(told) : new OverWebTransport(told);
  // Every page has to say goodbye itself. Firefox 153 keeps a WebTransport session after its tab was closed or the page
  // was left: its network process goes on answering. Chromium 156 keeps the WebSocket of a page that was left, with the
  // page, for the case that the user comes back.
  addEventListener('pagehide', () => session.close(4900, 'the page was left'));
  await session.ready;
  return session;
}

class Session {
  /** Everything that came, in order; events carry the `lane` they came on. */
  events = [];
  ticks = [];
  #waiting = new Set();
  #requests = 0;

  /** Sends a request and waits for its answer. */
  async request(event, data, send = (text) => this.send(text)) {
    const id = (this.#requests += 1);
    await send(JSON.stringify({ event, id, data }));
    const answer = await this.until(() => this.events.find((e) => e.re === id));
    if (answer.event === 'error') throw new Error(`${event}: ${answer.data.code}: ${answer.data.message}`);
    return answer;
  }

  /** Waits until `find` finds something among what came. Looks again only when something came. */
  until(find, ms = 10_000) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find();
        if (!found) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`waited ${ms} ms for ${find}; came: ${JSON.stringify(this.events).slice(-500)}`));
      }, ms);
      this.#waiting.add(look);
      look();
    });
  }

  heard(text, lane) {
    const event = { ...JSON.parse(text), lane };
    this.events.push(event);
    if (event.event === 'server:ping') this.send('{"event":"server:pong","data":{}}');
    this.#look();
  }

  felt(packet) {
    const { view, epoch, ticks } = unpackTicks(packet);
    for (const tick of ticks) this.ticks.push({ view, epoch, ...tick });
    this.#look();
  }

  #look() {
    for (const look of [...this.#waiting]) look();
  }
}

class OverWebTransport extends Session {
  constructor({ webtransport: { url, certificate_hashes } }) {
    super();
    const serverCertificateHashes = certificate_hashes.map((hex) => ({
      algorithm: 'sha-256',
      value: Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16)),
    }));
    this.transport = new WebTransport(url, { serverCertificateHashes });
    this.closed = this.transport.closed.then(
      ({ closeCode, reason }) => ({ code: closeCode, reason }),
      (error) => ({ error: String(error) }),
    );
    this.ready = this.#start();
  }

  async #start() {
    await this.transport.ready;
    const { datagrams } = this.transport;
    // One datagram by default: the next one would replace it before we have looked. The name depends on the browser.
    for (const name of ['incomingHighWaterMark', 'incomingMaxBufferedDatagrams']) {
      if (name in datagrams) datagrams[name] = 1000;
    }
    this.out = (datagrams.writable ?? datagrams.createWritable()).getWriter();
    each(this.transport.incomingUnidirectionalStreams, (stream) => this.#lane(stream));
    each(datagrams.readable, (packet) => this.felt(packet));
    this.commands = await this.#commands();
  }

  async #commands() {
    const stream = await this.transport.createBidirectionalStream();
    return stream.writable.getWriter();
  }

  /** Reads a stream of the server: the byte of its lane, then frames. */
  async #lane(stream) {
    let lane;
    let rest = new Uint8Array();
    await each(stream, (chunk) => {
      rest = Uint8Array.of(...rest, ...chunk);
      if (lane === undefined && rest.length > 0) [lane, rest] = [rest[0], rest.subarray(1)];
      while (rest.length >= 4) {
        const end = 4 + new DataView(rest.buffer, rest.byteOffset).getUint32(0);
        if (rest.length < end) break;
        this.heard(new TextDecoder().decode(rest.subarray(4, end)), lane);
        rest = rest.subarray(end);
      }
    });
  }

  send(text) {
    return this.commands.write(frame(text));
  }

  /** Like `request`, on the second stream. */
  async requestUrgently(event, data) {
    this.urgent ??= await this.#commands();
    return this.request(event, data, (text) => this.urgent.write(frame(text)));
  }

  sendPacket(packet) {
    return this.out.write(packet);
  }

  close(code, reason) {
    this.transport.close({ closeCode: code, reason });
  }
}

class OverWebSocket extends Session {
  constructor({ websocket: { url } }) {
    super();
    this.socket = new WebSocket(url, ['fanfare']);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = ({ data }) => {
      if (typeof data === 'string') this.heard(data, 0);
      else this.felt(new Uint8Array(data));
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason }) => resolve({ code, reason });
    });
    this.ready = new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onerror = () => reject(new Error('the WebSocket was refused'));
    });
  }

  send(text) {
    this.socket.send(text);
  }

  sendPacket(packet) {
    this.socket.send(packet);
  }

  close(code, reason) {
    this.socket.close(code, reason);
  }
}

function frame(text) {
  const content = new TextEncoder().encode(text);
  const out = new Uint8Array(4 + content.length);
  new DataView(out.buffer).setUint32(0, content.length);
  out.set(content, 4);
  return out;
}

/** Hands everything of a stream to `take`. Ends quietly with the session: `closed` tells why. */
async function each(stream, take) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      take(value);
    }
  } catch {
    // Closed.
  }
}
