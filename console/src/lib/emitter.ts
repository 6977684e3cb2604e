/** Listeners of one thing. A listener that throws is reported and harms no other. */
export class Emitter<T> {
  #listeners = new Set<(value: T) => void>();

  on = (listener: (value: T) => void): (() => void) => {
    // A function of its own, so that the same listener may be there twice.
    const own = (value: T) => listener(value);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  };

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
