// Serves the page on http://localhost, which browsers take for secure.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const FILES = {
  '/': ['index.html', 'text/html'],
  '/fanfare.js': ['fanfare.js', 'text/javascript'],
  '/packets.js': ['packets.js', 'text/javascript'],
};

/** A site: an origin of its own. */
export async function serve() {
  const server = createServer(async (request, response) => {
    const [name, type] = FILES[request.url] ?? [];
    if (!name) return response.writeHead(404).end();
    const content = await readFile(new URL(`../page/${name}`, import.meta.url));
    response.writeHead(200, { 'content-type': type }).end(content);
  });
  // On every address: `localhost` is ::1 here and 127.0.0.1 there.
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, resolve));
  return {
    origin: `http://localhost:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
