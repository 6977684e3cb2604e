// Serves the page and the client's script, and nothing else: `node examples/hello/serve.mjs [port]`.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/fanfare.min.js': ['../../clients/typescript/dist/fanfare.min.js', 'text/javascript; charset=utf-8'],
};

const server = createServer(async (request, response) => {
  const [file, type] = FILES[new URL(request.url, 'http://localhost').pathname] ?? [];
  try {
    if (!file) return response.writeHead(404).end();
    const content = await readFile(new URL(file, import.meta.url));
    response.writeHead(200, { 'content-type': type }).end(content);
  } catch {
    response.writeHead(500).end('Not built: npm --prefix clients/typescript ci');
  }
});

server.listen(Number(process.argv[2] ?? 8000), 'localhost', () => console.log(`http://localhost:${server.address().port}`));
