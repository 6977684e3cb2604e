import { encodeFrame, Frames } from './frames.ts';
import { inflate, inflates } from './inflate.ts';
import { UNREADABLE, type Address, type End, type Link, type Listener } from './transport.ts';

/** Bytes that may wait for the network before the connection is taken for stuck. */
const BACKLOG = 4 * 1024 * 1024;
/** Packets that the browser keeps for us. By default it is one, which the next would replace before we have looked. */
const PACKETS = 512;
/** Older packets are worth nothing. */
const PACKET_AGE = 2_000;

/** WebTransport: requests on a stream of ours, events on streams of the server, packets as datagrams. */
export async function openWebTransport(address: Address, listener: Listener, signal: AbortSignal): Promise<Link> {
  const session = new WebTransport(address.url, {
    serverCertificateHashes: address.hashes.map((value) => ({ algorithm: 'sha-256', value })),
  });
  // A session that fails rejects both; `closed` is listened to below, once it is open.
  session.closed.catch(() => {});
  const give = () => session.close();
  signal.addEventListener('abort', give, { once: true });
  if (signal.aborted) give();
  await session.ready;
  const datagrams = session.datagrams as WebTransportDatagramDuplexStream & Named;
  const streams = async () => [
    (await session.createBidirectionalStream()).writable.getWriter(),
    (datagrams.writable ?? datagrams.createWritable?.()).getWriter(),
  ] as const;
  // Open, but of no use: nobody else would close it.
  const [requests, packets] = await streams().catch((error: unknown) => {
    give();
    throw error;
  });
  signal.removeEventListener('abort', give);

  let closed = false;
  const ended = (end: End) => {
    if (closed) return;
    closed = true;
    listener.closed(end);
  };
  const close = (closeCode: number, reason: string, taken = closeCode) => {
    session.close({ closeCode, reason });
    ended({ code: taken, reason });
  };
  session.closed.then(
    // 0 without a reason stands for "no code".
    ({ closeCode, reason }) => ended(closeCode ? { code: closeCode, reason: reason ?? '' } : {}),
    () => ended({}),
  );

  tune(datagrams);
  const packet = (bytes: Uint8Array) => void (closed || listener.packet(bytes));
  void each(datagrams.readable, packet);
  void each(session.incomingUnidirectionalStreams, (stream: ReadableStream<Uint8Array>) => {
    lane(stream, (text, urgent) => closed || listener.event(text, urgent ? 'urgent' : 'ordered')).catch(() => {
      // Not a frame that the protocol knows: nothing after it can be read.
      close(UNREADABLE.told, 'malformed stream', UNREADABLE.taken);
    });
  });

  let waiting = 0;
  return {
    kind: 'webtransport',
    inflates: inflates(),
    send: (text) => {
      const frame = encodeFrame(text);
      waiting += frame.length;
      // Without it a network that stands still would fill the page.
      if (waiting > BACKLOG) return close(4001, 'stuck');
      // A write that fails ends the session, which `closed` tells.
      requests.write(frame).then(() => (waiting -= frame.length), () => {});
    },
    // What the network does not take now is not worth waiting for.
    sendPacket: (bytes) => {
      const room = !closed && (packets.desiredSize ?? 0) > 0;
      if (room) packets.write(bytes).catch(() => {});
      return room;
    },
    close: (code, reason) => close(code, reason),
  };
}

/** Names that depend on the browser's age. */
interface Named {
  createWritable?: () => WritableStream<Uint8Array>;
  incomingHighWaterMark?: number;
  incomingMaxBufferedDatagrams?: number;
  incomingMaxAge?: number | null;
}

function tune(datagrams: Named): void {
  if ('incomingMaxBufferedDatagrams' in datagrams) datagrams.incomingMaxBufferedDatagrams = PACKETS;
  else datagrams.incomingHighWaterMark = PACKETS;
  if ('incomingMaxAge' in datagrams) datagrams.incomingMaxAge = PACKET_AGE;
}

/** Reads a stream of the server: a byte that names its lane, then frames. While one is inflated the next ones wait. */
async function lane(stream: ReadableStream<Uint8Array>, event: (text: string, urgent: boolean) => void): Promise<void> {
  const frames = new Frames();
  let name: number | undefined;
  await each(stream, async (chunk) => {
    if (name === undefined) {
      name = chunk[0];
      chunk = chunk.subarray(1);
    }
    // A lane of a later version is read and left alone.
    if (name !== undefined && name > 1) return;
    for (const frame of frames.push(chunk)) event(typeof frame === 'string' ? frame : await inflate(frame), name === 1);
  });
}

/**
 * Hands everything of a stream to `take`, one after another: what is not taken yet waits at the sender. Ends quietly
 * with the session; what `take` throws ends it, too, and is passed on.
 */
async function each<T>(stream: ReadableStream<T>, take: (value: T) => void | Promise<void>): Promise<void> {
  const reader = stream.getReader();
  for (;;) {
    const next = await reader.read().catch(() => undefined);
    if (!next || next.done) return;
    await take(next.value);
  }
}
