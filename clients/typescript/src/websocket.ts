import { LIMITS } from './generated.ts';
import type { Address, Link, Listener } from './transport.ts';

/** Bytes that may wait in the browser's buffer before packets are left out. */
const BACKLOG = 64 * 1024;

/** WebSocket: a text message is an event, a binary one a packet. */
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
  const link: Link = {
    kind: 'websocket',
    send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text),
    sendPacket: (bytes) => {
      const room = socket.readyState === WebSocket.OPEN && socket.bufferedAmount < BACKLOG;
      if (room) socket.send(bytes as Uint8Array<ArrayBuffer>);
      return room;
    },
    close: (code, reason) => {
      socket.close(code, reason);
      // The browser waits for the peer's answer, which may never come.
      ended(code, reason);
    },
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

  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (closed) return;
    if (typeof data !== 'string') listener.packet(new Uint8Array(data));
    else if (data.length <= LIMITS.event_bytes) listener.event(data, 'both');
  };
  socket.onerror = null;
  socket.onclose = ({ code, reason }) => ended(code, reason);
  return link;
}
