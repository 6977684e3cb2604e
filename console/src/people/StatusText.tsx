import { useState, type FormEvent, type RefObject } from 'react';
import { usePeople } from 'fanfare-client/react';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { lengthNote, MOST, sendable } from '../lib/limits';
import { TextField } from '../ui/Field';
import css from './people.module.css';

/** What one shows beside one's name, on all devices. */
export function StatusText({ text, opener, onClose }: { text: string; opener: RefObject<HTMLElement | null>; onClose: () => void }) {
  const people = usePeople();
  const [value, setValue] = useState(text);
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const length = lengthNote(value, MOST.status);
  const save = async (wanted: string) => {
    setBusy(true);
    try {
      await people.set({ text: wanted });
      onClose();
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!length?.over) void save(sendable(value.trim()));
  };
  return (
    <Dialog title="Status text" text="Shown beside your name until you change it." opener={opener} onClose={onClose}>
      <form className={css.form} onSubmit={submit}>
        <TextField
          label="Text" value={value} placeholder="Rounds until 14:00" autoComplete="off"
          dir="auto" error={error ?? (length?.over ? length.text : undefined)} help={length?.text}
          onChange={(event) => { setValue(event.target.value); setError(undefined); }}
        />
        <div className={css.buttons}>
          {text && <Button kind="quiet" disabled={busy} onClick={() => void save('')}>Remove</Button>}
          <Button kind="primary" type="submit" disabled={busy || length?.over === true}>Save</Button>
        </div>
      </form>
    </Dialog>
  );
}
