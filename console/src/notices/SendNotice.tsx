import { useState, type FormEvent } from 'react';
import { useConnection, useSession } from '../session/context';
import { Button } from '../ui/Button';
import { Segments } from '../ui/Choice';
import { Dialog } from '../ui/Dialog';
import { TextArea } from '../ui/Field';
import type { Priority } from './board';
import css from './notices.module.css';

/** The server takes so many bytes. */
const MOST = 4096;

const PRIORITIES: readonly { value: Priority; label: string }[] = [
  { value: 'low', label: 'Low' },
  { value: 'medium', label: 'Medium' },
  { value: 'high', label: 'High' },
  { value: 'urgent', label: 'Urgent' },
];

const EFFECT: Record<Priority, string> = {
  low: 'A note above the page, for 8 seconds.',
  medium: 'A note above the page, for 15 seconds.',
  high: 'A note above the page that stays until it is put away.',
  urgent: 'A banner across the screen, read out at once. It overtakes everything else on its way.',
};

export function SendNotice({ onClose }: { onClose: () => void }) {
  const { client } = useSession();
  const state = useConnection();
  const [message, setMessage] = useState('');
  const [priority, setPriority] = useState<Priority>('medium');
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (new TextEncoder().encode(message).length > MOST) return setError('This is too long for a notice.');
    setSending(true);
    setError(undefined);
    try {
      await client.request('system:broadcast', { message: message.trim(), priority });
      onClose();
    } catch (failure) {
      setError(`It was not sent: ${failure instanceof Error ? failure.message : String(failure)}.`);
      setSending(false);
    }
  };
  return (
    <Dialog title="Send a notice" text="To everyone of the organisation." onClose={onClose}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <TextArea label="Message" value={message} error={error} autoFocus rows={4} onChange={(event) => setMessage(event.target.value)} />
        <div className={css.priority}>
          <span>Priority</span>
          <Segments label="Priority" value={priority} options={PRIORITIES} onChange={setPriority} />
          <p>{EFFECT[priority]}</p>
        </div>
        <div className={css.buttons}>
          {sending && state.name !== 'open' && <p role="status">It goes out once the connection is back.</p>}
          <Button kind="quiet" onClick={onClose}>{sending ? 'Close' : 'Cancel'}</Button>
          <Button kind={priority === 'urgent' ? 'danger' : 'primary'} type="submit" disabled={sending || message.trim() === ''}>
            {sending ? 'Sending …' : 'Send to all'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
