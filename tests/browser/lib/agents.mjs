// Agents that send fixes, all of them from one tab: by WebSocket, each with a token of its own.
import { token } from './server.mjs';

export class Agents {
  #page;
  #server;

  static async open(browser, server) {
    const agents = new Agents();
    agents.#server = server;
    agents.#page = await browser.tab();
    // A page of the server's own, so that its connections are let in.
    await agents.#page.goto(`${server.origin}/health/live`);
    return agents;
  }

  /** Waits until the server has taken them. `fixes` are those of the protocol; `counter` and `time` are added where they are missing. */
  async send(user, fixes, now = Date.now()) {
    const whole = fixes.map((fix, i) => ({ counter: now + i, time: now - (fixes.length - 1 - i) * 1000, ...fix }));
    const answer = await this.#page.evaluate((url, bearer, data) => new Promise((resolve) => {
      const socket = new WebSocket(url);
      const send = (event, id, more) => socket.send(JSON.stringify({ event, id, data: more }));
      socket.onopen = () => send('authenticate', 1, { token: bearer });
      socket.onclose = ({ code }) => resolve(`closed with ${code}`);
      socket.onmessage = ({ data: text }) => {
        if (typeof text !== 'string') return;
        const { event, re } = JSON.parse(text);
        if (event === 'authenticated') send('location:update', 2, { fixes: data });
        if (re !== 2) return;
        socket.onclose = null;
        socket.close();
        resolve(event === 'reply' ? '' : text);
      };
    }), `${this.#server.base.replace('http', 'ws').replace('127.0.0.1', 'localhost')}/ws`, token(user, 'agent'), whole);
    if (answer) throw new Error(`${user}: ${answer}`);
  }
}
