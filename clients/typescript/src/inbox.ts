// What the server tells by itself: events of logs once and in order, whatever connection they come by.
import { Cursors } from './cursors.ts';
import type { Emitter } from './emitter.ts';
import { LOG_EVENTS, type GoingAway, type LogEvent, type ServerPing, type TopicName, type Topics } from './generated.ts';
import type { Incoming } from './session.ts';
import type { Lane } from './transport.ts';
import type { Events } from './types.ts';

interface Host {
  readonly events: Emitter<Events>;
  /** The server's clock showed `time` when it wrote what has just come. */
  showed(time: number): void;
  leave(within: number): void;
  /** Cursors have moved. */
  moved(): void;
  /** Everything that is not of a log. */
  event(event: Incoming): void;
}

export class Inbox {
  readonly cursors = new Cursors();
  resumed = 0;
  gaps = 0;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  event(event: Incoming, lane: Lane): void {
    const { data } = event;
    switch (event.event) {
      case 'topics':
        return this.#topics(data as Topics);
      case 'server:ping':
        this.#host.showed((data as ServerPing).time);
        this.cursors.moved((data as ServerPing).pos ?? [], lane);
        return this.#host.moved();
      case 'server:going_away':
        this.#host.leave((data as GoingAway).within_ms);
        break;
      default:
        this.#host.event(event);
    }
    if ((LOG_EVENTS as readonly string[]).includes(event.event)) return this.#entry(event as unknown as LogEvent);
    // All names of the protocol but two have a colon, so that none is mistaken for one of the client's own.
    if (event.event.includes(':') || event.event === 'error') this.#host.events.emit(event.event as 'message:read', data as never);
  }

  gap(topic: TopicName): void {
    this.gaps += 1;
    this.#host.events.emit('gap', { topic });
  }

  #entry(entry: LogEvent): void {
    if (this.cursors.seen(entry)) return;
    // Handlers first: where the page dies between them and the cursor, the event comes again.
    this.#host.events.emit(entry.event as 'message:new', entry as never);
    this.cursors.passed(entry);
    this.#host.moved();
  }

  #topics(topics: Topics): void {
    for (const state of topics.topics) {
      if (state.recovered) this.resumed += 1;
      if (this.cursors.resumed(state)) this.gap(state.topic);
    }
    this.#host.moved();
    this.#host.events.emit('topics', topics);
  }
}
