// Serves the built console as the server does: files of console/dist under a strict content security policy, and the
// server's own paths behind the same origin.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { extname } from 'node:path';

const DIST = new URL('../../../console/dist/', import.meta.url);

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2',
};

/** What the console needs, and nothing else. WebTransport and WebSocket of the page's own server are on other ports. */
export const POLICY = [
  "default-src 'self'",
  "connect-src 'self' https: ws: wss:",
  "img-src 'self' data: blob: https://tile.openstreetmap.org",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A site that stands before a server, once `target` names one. */
export class Console {
  target;
  #http;

  static async serve() {
    const site = new Console();
    site.#http = createServer((request, response) => void site.#answer(request, response).catch(() => response.destroy()));
    site.#http.on('upgrade', (request, socket, head) => site.#upgrade(request, socket, head));
    await new Promise((resolve, reject) => site.#http.once('error', reject).listen(0, resolve));
    site.origin = `http://localhost:${site.#http.address().port}`;
    return site;
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.origin);
    if (pathname.startsWith('/api/')) {
      const answer = await fetch(`${this.target}${request.url}`).catch(() => undefined);
      if (!answer) return response.writeHead(502).end();
      // The WebSocket is to come through here, too.
      const text = (await answer.text()).replaceAll(new URL(this.target).host + '/ws', new URL(this.origin).host + '/ws');
      return response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(text);
    }
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    const content = /^[\w./-]+$/.test(name) && !name.includes('..') ? await readFile(new URL(name, DIST)).catch(() => undefined) : undefined;
    if (!content) return response.writeHead(404).end();
    response
      .writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'content-security-policy': POLICY })
      .end(content);
  }

  /** Bytes both ways, so that what WebSocket says is between the two ends. */
  #upgrade(request, socket, head) {
    const { hostname, port } = new URL(this.target);
    const upstream = connect(Number(port), hostname, () => {
      const headers = request.rawHeaders.reduce((text, value, i) => text + (i % 2 ? `${value}\r\n` : `${value}: `), '');
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    const end = () => { upstream.destroy(); socket.destroy(); };
    upstream.on('error', end).on('close', end);
    socket.on('error', end).on('close', end);
  }

  close() {
    this.#http.closeAllConnections();
    this.#http.close();
  }
}
