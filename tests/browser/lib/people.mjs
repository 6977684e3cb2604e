// People who use the console, each in a tab of their own.
import { token } from './server.mjs';

/** Signs in by the address, as people do who follow the link that the server prints. */
export async function signIn(browser, site, user, role, { theme = 'dark', query = '?test', departments = [], ...size } = {}) {
  const page = await browser.tab(size);
  const faults = [];
  page.on('pageerror', (error) => {
    // Firefox takes a WebSocket that lost the race, or that was on its way when the page was left, for an error of the page.
    const text = `${error.message}\n${error.stack}`;
    const fine = ['establish a connection to the server at ws', 'interrupted while the page was loading'];
    if (!fine.some((known) => text.includes(known))) faults.push(text);
  });
  page.on('console', (message) => {
    const text = message.text();
    if (/Content.Security.Policy/i.test(text)) faults.push(text);
  });
  page.faults = faults;
  if (browser.kind === 'chromium') await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  await page.goto(`${site.origin}/${query}#token=${token(user, role, undefined, departments)}`);
  await live(page);
  return page;
}

/** Waits until the page's client is connected, over a certain transport if one is named. */
export async function live(page, transport) {
  const open = (wanted) => {
    const state = window.__fanfare?.client?.state;
    return state?.name === 'open' && (!wanted || state.transport === wanted);
  };
  try {
    await page.waitForFunction(open, { polling: 20, timeout: 30_000 }, transport);
  } catch {
    const state = await page.evaluate(() => JSON.stringify(window.__fanfare?.client?.state)).catch((error) => String(error));
    throw new Error(`waited 30 s to be connected; it is ${state} at ${page.url().split('#')[0]}`);
  }
}

/** Goes to a place of the console. */
export const go = (page, hash) => page.evaluate((to) => { location.hash = to; }, hash);

/** Waits for text anywhere in what a selector finds. */
export async function says(page, selector, text, timeout = 15_000) {
  const found = (s, t) => [...document.querySelectorAll(s)].some((element) => element.textContent.includes(t));
  try {
    await page.waitForFunction(found, { polling: 20, timeout }, selector, text);
  } catch {
    const there = await page.$$eval(selector, (all) => all.map((element) => element.textContent)).catch(() => []);
    throw new Error(`waited ${timeout} ms for ${selector} to say “${text}”; it says ${JSON.stringify(there)}`);
  }
}

/** Presses the button with this name. */
export async function press(page, name, within = 'body') {
  const find = (n, w) => [...document.querySelectorAll(`${w} button, ${w} [role=menuitem], ${w} [role=menuitemradio], ${w} [role=radio], ${w} [role=switch], ${w} a`)]
    .find((element) => (element.getAttribute('aria-label') ?? (element.labels?.[0] ?? element).textContent).trim() === n && !element.disabled);
  const handle = await page.waitForFunction(find, { polling: 20, timeout: 10_000 }, name, within);
  await handle.asElement().click();
}

/** Asks the server something by the page's client. */
export const ask = (page, event, data) => page.evaluate((e, d) => window.__fanfare.client.request(e, d), event, data);
