// Behind a proxy that adds a path and connects to the server by another name: what the server names then leads past it.
import { createServer, request, type Server as Proxy } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Client } from '../../dist/index.js';
import { start, token, until, type Server } from './server.ts';

const PREFIX = '/app';
let server: Server;
let proxy: Proxy;
let base: string;
const seen: string[] = [];
const sockets = new Set<Socket>();

/** The path that the server knows, of one below the prefix. */
const inner = (url: string) => (url.startsWith(`${PREFIX}/`) ? url.slice(PREFIX.length) : undefined);

beforeAll(async () => {
  server = await start();
  const { hostname, port, host } = new URL(server.base);
  proxy = createServer((from, to) => {
    seen.push(String(from.url));
    const path = inner(String(from.url));
    if (!path) return void to.writeHead(404).end();
    from.pipe(request({ hostname, port, path, method: from.method, headers: { ...from.headers, host } }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    }));
  });
  proxy.on('upgrade', (from, near: Socket) => {
    seen.push(String(from.url));
    const path = inner(String(from.url));
    if (!path) return void near.end('HTTP/1.1 404 Not Found\r\n\r\n');
    const far = connect(Number(port), hostname, () => {
      const lines = Object.entries({ ...from.headers, host }).map(([name, value]) => `${name}: ${String(value)}`);
      far.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      near.pipe(far).pipe(near);
    });
    for (const [one, other] of [[near, far], [far, near]] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, 'localhost', resolve));
  base = `http://localhost:${(proxy.address() as AddressInfo).port}${PREFIX}`;
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  proxy?.close();
  proxy?.closeAllConnections();
  await server?.stop();
});

test('the client stays beneath the address that it was given', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const client = new Client({ url: base, token: token('ann', 'member') });
  client.connect();
  try {
    await until('the client', () => client.state.name === 'open');
    expect(seen).toEqual(['/app/api/v1/transport', '/app/ws']);
    // The server is on this very machine: the difference of its time is what a round trip may hide.
    expect(Math.abs(client.now() - Date.now())).toBeLessThan(1_000);
    expect(await client.request('conversation:list', {})).toMatchObject({ conversations: [] });
    for (const [line] of warned.mock.calls) expect(line).toContain('`hosts` may name it');
  } finally {
    client.close();
    warned.mockRestore();
  }
});
