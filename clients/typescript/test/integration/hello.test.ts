// examples/hello, as its README says: a page of another origin than the server's, in two tabs.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium } from './browsers.ts';
import { start, token, until, type Server } from './server.ts';

const example = new URL('../../../../examples/hello/', import.meta.url);
let site: ChildProcess;
let origin = '';
let server: Server;
let browser: Browser;

beforeAll(async () => {
  site = spawn(process.execPath, [fileURLToPath(new URL('serve.mjs', example)), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  site.stdout?.on('data', (chunk: Buffer) => (origin += chunk));
  await until('the page\'s server', () => origin.endsWith('\n'));
  origin = origin.trim();
  server = await start([origin]);
  browser = await puppeteer.launch(chromium());
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  site?.kill();
});

async function open(url: string, token: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(origin);
  await page.$eval('#connect [name=url]', (input, url) => ((input as HTMLInputElement).value = url), url);
  // As it comes from a terminal: with a new line.
  await page.$eval('#connect [name=token]', (input, token) => ((input as HTMLInputElement).value = token), `${token}\n`);
  await page.click('#connect button');
  return page;
}

const shows = (page: Page, what: string, text: string) =>
  page.waitForFunction((what, text) => document.querySelector(what)?.textContent?.includes(text), { polling: 20, timeout: 15_000 }, what, text);

test('two tabs talk to each other', async () => {
  const [ann, bob] = [await open(server.base, token('ann', 'member')), await open(server.base, token('bob', 'member'))];
  await shows(ann, '#state', 'open (webtransport)');
  await shows(bob, '#state', 'open (webtransport)');
  await ann.bringToFront();
  await ann.type('#send [name=to]', 'bob');
  await ann.type('#send [name=text]', 'Gate 4 is open');
  await ann.click('#send button');
  await shows(bob, '#events', 'ann: Gate 4 is open');
  await shows(ann, '#events', 'ann: Gate 4 is open');
  await Promise.all([ann.close(), bob.close()]);
});

test('a server that does not name the page\'s origin: the page says so', async () => {
  const strict = await start(['http://localhost:1']);
  try {
    const page = await open(strict.base, token('ann', 'member'));
    await shows(page, '#state', `is this page's origin ${origin} among the server's \`origins\`?`);
    await page.close();
  } finally {
    await strict.stop();
  }
});

test('the README names what there is', () => {
  const readme = readFileSync(new URL('README.md', example), 'utf8');
  expect(readme).toContain('node examples/hello/serve.mjs');
  expect(readme).toContain('http://localhost:8000');
});
