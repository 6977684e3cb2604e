import { useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import { X } from 'lucide-react';
import { Name } from '../lib/Bidi';
import { lengthNote, MOST, sendable, surplus } from '../lib/limits';
import { named, short } from '../lib/plain';
import { useSession } from '../session/context';
import { Button } from '../ui/Button';
import { Segments } from '../ui/Choice';
import { Dialog } from '../ui/Dialog';
import { TextField } from '../ui/Field';
import { composing } from '../ui/keys';
import type { About, Refused } from './beginning';
import { useChat } from './hooks';
import { privateWith } from './naming';
import { idsIn } from './people';
import css from './chat.module.css';

interface Props {
  /** What was asked for, and why it was refused. */
  refused: Refused | undefined;
  onClose: () => void;
  onBegin: (about: About) => void;
  /** There is one already. */
  onOpen: (id: string) => void;
}

export function NewConversation({ refused, onClose, onBegin, onOpen }: Props) {
  const { who, fleet } = useSession();
  const { conversations } = useChat();
  const before = refused?.about;
  const [kind, setKind] = useState<'private' | 'group'>(before?.kind ?? 'private');
  const [members, setMembers] = useState<readonly string[]>(before?.kind === 'group' ? before.members : []);
  const [text, setText] = useState(before?.kind === 'private' ? before.members.map(named).join(', ') : '');
  const [title, setTitle] = useState(before?.title ?? '');
  const [error, setError] = useState(refused?.error);
  const length = kind === 'group' ? lengthNote(title, MOST.title) : undefined;
  // Once it is begun the focus goes to where its first message is written.
  const next = useRef<HTMLElement>(null);
  const done = { get current() { return begun.current ? document.querySelector<HTMLElement>('main textarea') : next.current; } };
  const begun = useRef(false);
  const [opener] = useState(done);

  const [people] = useState(() => {
    const known = new Set([...conversations.flatMap((c) => c.members), ...fleet.agents.keys()]);
    known.delete(who?.userId ?? '');
    return [...known].sort().slice(0, 300);
  });

  /** The members with what is still in the field; undefined if that is no id. */
  const withText = (): readonly string[] | undefined => {
    const found = idsIn(text, people);
    if ('wrong' in found) {
      setError(`“${found.wrong}” is no user id`);
      return undefined;
    }
    if (found.ids.includes(who?.userId ?? '')) {
      setError('You are a member anyway');
      return undefined;
    }
    return [...new Set([...members, ...found.ids])];
  };
  const add = () => {
    const all = withText();
    if (!all) return;
    setMembers(all);
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (composing(event)) return;
    if (kind === 'group' && (event.key === 'Enter' || event.key === ',') && text.trim()) {
      event.preventDefault();
      add();
    } else if (event.key === 'Backspace' && text === '') setMembers((all) => all.slice(0, -1));
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const all = withText();
    if (!all) return;
    if (all.length === 0) return setError('Whom with?');
    if (kind === 'private' && all.length > 1) return setError('A private conversation has one other member');
    const name = sendable(title.trim());
    if (kind === 'group' && surplus(name, MOST.title) > 0) return;
    begun.current = true;
    const known = kind === 'private' ? privateWith(conversations, all[0]!, who?.userId) : undefined;
    if (known) onOpen(known.id);
    else onBegin({ kind, members: [...all], ...(kind === 'group' && name && { title: name }) });
  };

  return (
    <Dialog title={refused ? 'It was not begun' : 'New conversation'} text={refused?.text ? `Written for it, and kept: “${short(refused.text, 120)}”` : undefined} opener={opener} onClose={onClose}>
      <form className={css.form} onSubmit={submit}>
        <Segments
          label="Kind" value={kind} onChange={(wanted) => { setKind(wanted); setError(undefined); }}
          options={[{ value: 'private', label: 'Private' }, { value: 'group', label: 'Group' }]}
        />
        {kind === 'group' && (
          <TextField
            label="Title" value={title} dir="auto" placeholder="Night shift" help={length && !length.over ? length.text : undefined}
            error={length?.over ? length.text : undefined} onChange={(event) => setTitle(event.target.value)}
          />
        )}
        <div>
          <TextField
            label={kind === 'group' ? 'Members' : 'With'} value={text} list="people" autoFocus autoComplete="off" spellCheck={false} error={error} dir="auto"
            help={kind === 'group' ? 'User ids. Enter adds one.' : 'The user id of the other.'}
            onChange={(event) => { setText(event.target.value); setError(undefined); }} onKeyDown={onKeyDown}
          />
          <datalist id="people">{people.map((id) => <option key={id} value={named(id)} />)}</datalist>
          {members.length > 0 && (
            <ul className={css.chips} aria-label="Members">
              {members.map((member) => (
                <li key={member}>
                  <Name id={member} />
                  <button type="button" aria-label={`Remove ${named(member)}`} onClick={() => setMembers(members.filter((m) => m !== member))}><X size={12} /></button>
                </li>
              ))}
            </ul>
          )}
        </div>
        <div className={css.formButtons}>
          <Button kind="quiet" onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={length?.over === true || (members.length === 0 && text.trim() === '')}>Begin</Button>
        </div>
      </form>
    </Dialog>
  );
}
