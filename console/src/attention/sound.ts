// Two short tones. Made here: there is no file to load, and nothing that a policy has to allow.

let context: AudioContext | undefined;

/** Browsers play nothing before a click or a key on the page: the first one unlocks it. Answers how to stop waiting. */
export function unlock(): () => void {
  const first = () => {
    stop();
    try {
      context ??= new AudioContext();
      void context.resume().catch(() => {});
    } catch {
      // No sound here.
    }
  };
  const stop = () => {
    for (const event of ['pointerdown', 'keydown']) removeEventListener(event, first);
  };
  for (const event of ['pointerdown', 'keydown']) addEventListener(event, first);
  return stop;
}

export function play(): void {
  try {
    context ??= new AudioContext();
    // What cannot be heard now must not be heard all at once at the first click.
    if (context.state !== 'running') return void context.resume().catch(() => {});
    const start = context.currentTime;
    for (const [i, frequency] of [660, 880].entries()) {
      const at = start + i * 0.14;
      const gain = context.createGain();
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(0.12, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, at + 0.16);
      gain.connect(context.destination);
      const tone = context.createOscillator();
      tone.frequency.value = frequency;
      tone.connect(gain);
      tone.start(at);
      tone.stop(at + 0.18);
    }
  } catch {
    // No sound here.
  }
}
