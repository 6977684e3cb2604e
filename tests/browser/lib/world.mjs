// A site with the console, a server behind it and browsers, for one test file.
import { after, before } from 'node:test';
import { Browser } from './browsers.mjs';
import { Console } from './console.mjs';
import { Server } from './server.mjs';

/** Set up before the tests of the file and taken down after them. */
export function world(kinds = ['chromium'], settings = {}) {
  const w = { browsers: {}, pages: [] };
  before(async () => {
    w.site = await Console.serve();
    w.server = await Server.start([w.site.origin], settings);
    w.site.target = w.server.base;
    for (const kind of kinds) w.browsers[kind] = await Browser.launch(kind);
  });
  after(async () => {
    for (const browser of Object.values(w.browsers)) await browser.close();
    await w.server?.stop();
    w.site?.close();
  });
  return w;
}
