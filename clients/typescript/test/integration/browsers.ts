// Where the browsers are, and how they are started.
import { execFileSync } from 'node:child_process';
import type { LaunchOptions } from 'puppeteer-core';

function which(...names: string[]): string {
  for (const name of names) {
    try {
      return execFileSync('which', [name]).toString().trim();
    } catch {
      // The next.
    }
  }
  throw new Error(`none of ${names.join(', ')} is installed`);
}

export const chromium = (): LaunchOptions => ({
  browser: 'chrome',
  executablePath: process.env.CHROMIUM ?? which('chromium', 'chromium-browser', 'google-chrome'),
  // Its sandbox refuses root, which CI is.
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});

export const firefox = (): LaunchOptions => ({
  browser: 'firefox',
  executablePath: process.env.FIREFOX ?? which('firefox-esr', 'firefox'),
});
