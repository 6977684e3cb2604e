import { useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import { X } from 'lucide-react';
import { useSession } from '../session/context';
import { Button } from '../ui/Button';
import { Segments } from '../ui/Choice';
import { Dialog } from '../ui/Dialog';
import { TextField } from '../ui/Field';
import { useChat } from './hooks';
import css from './chat.module.css';

const ID = /^[A-Za-z0-9_.@+|=~:-]{1,128}$/;

interface Props {
  onClose: () => void;
  onCreated: (id: string) => void;
}

export function NewConversation({ onClose, onCreated }: Props) {
  const { who, fleet } = useSession();
  const { conversations, chat } = useChat();
  const [kind, setKind] = useState<'private' | 'group'>('private');
  const [members, setMembers] = useState<readonly string[]>([]);
  const [text, setText] = useState('');
  const [title, setTitle] = useState('');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  // Once it is begun the page gets the focus until there is something to write into: what is typed meanwhile must not
  // press the button that opened this.
  const next = useRef<HTMLElement>(null);

  const [people] = useState(() => {
    const known = new Set([...conversations.flatMap((c) => c.members), ...fleet.agents.keys()]);
    known.delete(who?.userId ?? '');
    return [...known].sort().slice(0, 300);
  });

  /** The members with what is still in the field; undefined if that is no id. */
  const withText = (): readonly string[] | undefined => {
    const names = text.split(/[\s,;]+/).filter(Boolean);
    const wrong = names.find((name) => !ID.test(name));
    if (wrong !== undefined) {
      setError(`“${wrong}” is no user id`);
      return undefined;
    }
    if (names.includes(who?.userId ?? '')) {
      setError('You are a member anyway');
      return undefined;
    }
    return [...new Set([...members, ...names])];
  };
  const add = () => {
    const all = withText();
    if (!all) return;
    setMembers(all);
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (kind === 'group' && (event.key === 'Enter' || event.key === ',') && text.trim()) {
      event.preventDefault();
      add();
    } else if (event.key === 'Backspace' && text === '') setMembers((before) => before.slice(0, -1));
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const all = withText();
    if (!all) return;
    if (all.length === 0) return setError('Whom with?');
    if (kind === 'private' && all.length > 1) return setError('A private conversation has one other member');
    setBusy(true);
    try {
      const id = await chat.create({ kind, members: [...all], ...(kind === 'group' && title.trim() && { title: title.trim() }) });
      next.current = document.getElementById('main');
      onCreated(id);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
      setBusy(false);
    }
  };

  return (
    <Dialog title="New conversation" opener={next} onClose={onClose}>
      <form className={css.form} onSubmit={(event) => void submit(event)}>
        <Segments
          label="Kind" value={kind} onChange={(wanted) => { setKind(wanted); setError(undefined); }}
          options={[{ value: 'private', label: 'Private' }, { value: 'group', label: 'Group' }]}
        />
        {kind === 'group' && (
          <TextField label="Title" value={title} maxLength={80} placeholder="Night shift" onChange={(event) => setTitle(event.target.value)} />
        )}
        <div>
          <TextField
            label={kind === 'group' ? 'Members' : 'With'} value={text} list="people" autoFocus autoComplete="off" spellCheck={false} error={error}
            help={kind === 'group' ? 'User ids. Enter adds one.' : 'The user id of the other.'}
            onChange={(event) => { setText(event.target.value); setError(undefined); }} onKeyDown={onKeyDown}
          />
          <datalist id="people">{people.map((name) => <option key={name} value={name} />)}</datalist>
          {members.length > 0 && (
            <ul className={css.chips} aria-label="Members">
              {members.map((member) => (
                <li key={member}>
                  {member}
                  <button type="button" aria-label={`Remove ${member}`} onClick={() => setMembers(members.filter((m) => m !== member))}><X size={12} /></button>
                </li>
              ))}
            </ul>
          )}
        </div>
        <div className={css.formButtons}>
          <Button kind="quiet" onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={busy || (members.length === 0 && text.trim() === '')}>{busy ? 'Beginning …' : 'Begin'}</Button>
        </div>
      </form>
    </Dialog>
  );
}
