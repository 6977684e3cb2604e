// A server with its console and browsers, for one test file.
import { after, before } from 'node:test';
import { Browser } from './browsers.mjs';
import { Server } from './server.mjs';

/** Set up before the tests of the file and taken down after them. */
export function world(kinds = ['chromium'], settings = {}, file = '') {
  const w = { browsers: {} };
  before(async () => {
    w.server = await Server.start([], settings, file);
    for (const kind of kinds) w.browsers[kind] = await Browser.launch(kind);
  });
  after(async () => {
    for (const browser of Object.values(w.browsers)) await browser.close();
    await w.server?.stop();
  });
  return w;
}
