// Both browsers, by one driver.
import puppeteer from 'puppeteer-core';

const KINDS = {
  chromium: () => ({
    browser: 'chrome',
    executablePath: process.env.CHROMIUM,
    // Its sandbox refuses root, which CI is.
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  }),
  firefox: () => ({ browser: 'firefox', executablePath: process.env.FIREFOX }),
};

export class Browser {
  #browser;

  static kinds = Object.keys(KINDS);

  static async launch(kind) {
    const launched = new Browser();
    launched.kind = kind;
    launched.#browser = await puppeteer.launch({ headless: true, timeout: 60_000, ...KINDS[kind]() });
    launched.version = await launched.#browser.version();
    return launched;
  }

  /** A tab with the page of `site`. */
  async page(site) {
    const page = await this.#browser.newPage();
    await page.goto(site.origin);
    await page.waitForFunction('window.loaded', { polling: 10, timeout: 10_000 });
    return page;
  }

  /** An empty tab, in a context of its own: nothing is shared with other tabs, storage neither. */
  async tab({ width = 1440, height = 900, scale = 1 } = {}) {
    const context = await this.#browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width, height, deviceScaleFactor: scale });
    return page;
  }

  /** Ends all its processes at once: none says goodbye. They are a group of their own. */
  kill() {
    process.kill(-this.#browser.process().pid, 'SIGKILL');
  }

  async close() {
    await this.#browser.close();
  }
}
