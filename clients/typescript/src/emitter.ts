import { report } from './error.ts';

type Handler = (...args: never[]) => void;

/** Calls handlers by name. One that throws is reported and disturbs nobody. */
export class Emitter<Events extends { [E in keyof Events]: readonly unknown[] }> {
  readonly #handlers = new Map<keyof Events, Set<Handler>>();

  on<E extends keyof Events>(name: E, handler: (...args: Events[E]) => void): () => void {
    let handlers = this.#handlers.get(name);
    if (!handlers) this.#handlers.set(name, (handlers = new Set()));
    // An entry of its own for each call, so that the same function may be given twice.
    const entry: Handler = (...args) => handler(...(args as unknown as Events[E]));
    handlers.add(entry);
    return () => void handlers.delete(entry);
  }

  /** Whether anybody listens. */
  has(name: keyof Events): boolean {
    return (this.#handlers.get(name)?.size ?? 0) > 0;
  }

  /** Answers whether anybody listened. */
  emit<E extends keyof Events>(name: E, ...args: Events[E]): boolean {
    const heard = this.has(name);
    for (const handler of [...(this.#handlers.get(name) ?? [])]) {
      try {
        handler(...(args as unknown as never[]));
      } catch (error) {
        report(error);
      }
    }
    return heard;
  }
}
