import { useState, type FormEvent } from 'react';
import { FanfareError } from 'fanfare-client';
import { useConnection, useSession } from '../session/context';
import { lengthNote, MOST, sendable } from '../lib/limits';
import { FOR_NOTICE } from '../session/drafts';
import { Button } from '../ui/Button';
import { Segments } from '../ui/Choice';
import { Dialog } from '../ui/Dialog';
import { TextArea } from '../ui/Field';
import type { Priority } from './board';
import css from './notices.module.css';

const PRIORITIES: readonly { value: Priority; label: string }[] = [
  { value: 'low', label: 'Low' },
  { value: 'medium', label: 'Medium' },
  { value: 'high', label: 'High' },
  { value: 'urgent', label: 'Urgent' },
];

const EFFECT: Record<Priority, string> = {
  low: 'A note over the page, for 8 seconds.',
  medium: 'A note over the page, for 15 seconds.',
  high: 'A note over the page that stays until it is put away.',
  urgent: 'A banner across the screen, read out at once. It overtakes everything else on its way.',
};

export function SendNotice({ onClose }: { onClose: () => void }) {
  const { client, drafts } = useSession();
  const state = useConnection();
  const [message, setMessage] = useState(() => drafts.get(FOR_NOTICE));
  const [priority, setPriority] = useState<Priority>('medium');
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<string>();
  /** The request that was made with this text and waits: made again under its id, it is sent once. */
  const [waits, setWaits] = useState<string>();
  const length = lengthNote(message, MOST.notice);
  const write = (text: string) => {
    setMessage(text);
    setError(undefined);
    setWaits(undefined);
    drafts.set(FOR_NOTICE, text);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (length?.over) return;
    setSending(true);
    setError(undefined);
    try {
      await client.request('system:broadcast', { message: sendable(message.trim()), priority, ...(waits !== undefined && { client_id: waits }) });
      // What was written since is another one.
      if (drafts.get(FOR_NOTICE) === message) drafts.set(FOR_NOTICE, '');
      onClose();
    } catch (failure) {
      const waiting = failure instanceof FanfareError ? failure.waits : undefined;
      setWaits(waiting);
      if (waiting !== undefined) setError('It waits, and goes out once you are signed in again.');
      else setError(`It was not sent: ${failure instanceof Error ? failure.message : String(failure)}.`);
      setSending(false);
    }
  };
  return (
    <Dialog title="Send a notice" text="To everyone of the organisation." onClose={onClose}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <TextArea label="Message" value={message} error={length?.over ? length.text : error} help={length?.text} autoFocus rows={4} dir="auto"
          onChange={(event) => write(event.target.value)} />
        <div className={css.priority}>
          <span>Priority</span>
          <Segments label="Priority" value={priority} options={PRIORITIES} onChange={(chosen) => { setPriority(chosen); setWaits(undefined); }} />
          <p>{EFFECT[priority]}</p>
        </div>
        <div className={css.buttons}>
          {sending && state.name !== 'open' && <p role="status">It goes out once the connection is back.</p>}
          <Button kind="quiet" onClick={onClose}>{sending ? 'Close' : 'Cancel'}</Button>
          <Button kind={priority === 'urgent' ? 'danger' : 'primary'} type="submit" disabled={sending || message.trim() === '' || length?.over === true}>
            {sending ? 'Sending …' : 'Send to all'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
