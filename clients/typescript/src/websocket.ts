import { LIMITS } from './generated.ts';
import { inflate, inflates } from './inflate.ts';
import { UNREADABLE, type Address, type Link, type Listener } from './transport.ts';

/** Bytes that may wait in the browser's buffer before packets are left out. */
const BACKLOG = 64 * 1024;

/** WebSocket: a text message is an event, a binary one a packet or a compressed event. */
export async function openWebSocket(address: Address, listener: Listener, signal: AbortSignal): Promise<Link> {
  const socket = new WebSocket(address.url, ['fanfare']);
  socket.binaryType = 'arraybuffer';

  let closed = false;
  const ended = (code: number, reason: string) => {
    if (closed) return;
    closed = true;
    // 1005 and 1006 are the browser's own words for "no code".
    listener.closed(code === 1005 || code === 1006 ? {} : { code, reason });
  };
  const close = (code: number, reason: string, taken = code) => {
    socket.close(code, reason);
    // The browser waits for the peer's answer, which may never come.
    ended(taken, reason);
  };
  const link: Link = {
    kind: 'websocket',
    inflates: inflates(),
    send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text),
    sendPacket: (bytes) => {
      const room = socket.readyState === WebSocket.OPEN && socket.bufferedAmount < BACKLOG;
      if (room) socket.send(bytes as Uint8Array<ArrayBuffer>);
      return room;
    },
    close: (code, reason) => close(code, reason),
  };

  await new Promise<void>((resolve, reject) => {
    const give = () => {
      socket.close();
      reject(new Error('given up'));
    };
    if (signal.aborted) return give();
    signal.addEventListener('abort', give, { once: true });
    socket.onopen = () => {
      signal.removeEventListener('abort', give);
      resolve();
    };
    socket.onerror = socket.onclose = () => reject(new Error('not opened'));
  });

  let waiting = 0;
  let last = Promise.resolve();
  /** At once, or after all events that came before and are being inflated. */
  const inTurn = (then: () => void | Promise<void>, waits = waiting > 0) => {
    if (!waits) return void then();
    waiting += 1;
    const malformed = () => close(UNREADABLE.told, 'malformed message', UNREADABLE.taken);
    last = last.then(() => (closed ? undefined : then())).catch(malformed).then(() => void (waiting -= 1));
  };
  const event = (text: string) => closed || listener.event(text, 'both');
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (closed) return;
    if (typeof data === 'string') {
      if (data.length <= LIMITS.event_bytes) inTurn(() => void event(data));
      return;
    }
    const bytes = new Uint8Array(data);
    if (bytes[0] !== LIMITS.compressed_mark) listener.packet(bytes);
    else inTurn(async () => void event(await inflate(bytes.subarray(1))), true);
  };
  socket.onerror = null;
  socket.onclose = ({ code, reason }) => inTurn(() => ended(code, reason));
  return link;
}
