// Two short tones. Made here: there is no file to load, and nothing that a policy has to allow.

import { useEffect, useSyncExternalStore } from 'react';
import { Emitter } from '../lib/emitter';

let context: AudioContext | undefined;
const changes = new Emitter<void>();

function made(): AudioContext {
  if (context) return context;
  context = new AudioContext();
  context.onstatechange = () => changes.emit();
  return context;
}

/** Whether this page was to sound and cannot yet. */
export function useSilent(wanted: boolean): boolean {
  useEffect(() => {
    if (!wanted) return;
    try {
      made();
      changes.emit();
    } catch {
      // No sound here.
    }
  }, [wanted]);
  return useSyncExternalStore(changes.on, () => wanted && context !== undefined && context.state !== 'running');
}

/** Browsers play nothing before a click or a key on the page: the first one unlocks it. Answers how to stop waiting. */
export function unlock(): () => void {
  const first = () => {
    stop();
    try {
      void made().resume().catch(() => {});
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
    const context = made();
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
