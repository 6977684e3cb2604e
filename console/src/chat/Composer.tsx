import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from 'react';
import { ArrowUp } from 'lucide-react';
import { usePhone } from '../lib/hooks';
import { useSession } from '../session/context';
import { Avatar } from '../ui/Avatar';
import { mentioning } from './text';
import css from './chat.module.css';

/** The server takes so many bytes. */
const MOST = 16_384;

interface Props {
  id: string;
  name: string;
  members: readonly string[];
  offline: boolean;
  onSend: (text: string) => Promise<void>;
}

export function Composer({ id, name, members, offline, onSend }: Props) {
  const { drafts } = useSession();
  const [text, setText] = useState(() => drafts.get(id) ?? '');
  const [cursor, setCursor] = useState(0);
  const [picked, setPicked] = useState(0);
  const input = useRef<HTMLTextAreaElement>(null);
  /** Where the cursor goes once the text that was put in is there. */
  const wanted = useRef<number>(undefined);
  const phone = usePhone();
  const listId = useId();
  const bytes = new TextEncoder().encode(text).length;
  const tooLong = bytes > MOST;
  const word = mentioning(text, cursor)?.toLocaleLowerCase();
  const found = word === undefined ? [] : members.filter((member) => member.toLocaleLowerCase().startsWith(word) && member !== word).slice(0, 6);
  const choice = Math.min(picked, found.length - 1);

  const change = (value: string, at: number) => {
    setText(value);
    setCursor(at);
    setPicked(0);
    if (value) drafts.set(id, value);
    else drafts.delete(id);
  };
  // As high as its text, up to some lines.
  useLayoutEffect(() => {
    const element = input.current!;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, 180)}px`;
    if (wanted.current === undefined) return;
    element.focus();
    element.setSelectionRange(wanted.current, wanted.current);
    wanted.current = undefined;
  }, [text]);

  const send = () => {
    const trimmed = text.trim();
    if (!trimmed || tooLong) return;
    change('', 0);
    // What fails is shown at the message itself.
    onSend(trimmed).catch(() => {});
    input.current?.focus();
  };
  const mention = (member: string) => {
    const start = cursor - (word?.length ?? 0);
    const value = `${text.slice(0, start)}${member} ${text.slice(cursor)}`;
    const at = start + member.length + 1;
    change(value, at);
    wanted.current = at;
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    // Enter that ends the composing of a character sends nothing.
    if (event.nativeEvent.isComposing) return;
    if (found.length > 0) {
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault();
        return setPicked((choice + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % found.length);
      }
      if (event.key === 'Enter' || event.key === 'Tab') {
        event.preventDefault();
        return mention(found[choice]!);
      }
      if (event.key === 'Escape') return setCursor(-1);
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  };

  return (
    <div className={css.composer}>
      {found.length > 0 && (
        <ul id={listId} className={css.mentions} role="listbox" aria-label="People">
          {found.map((member, i) => (
            <li key={member} id={`${listId}-${i}`} role="option" aria-selected={i === choice} onPointerDown={(event) => { event.preventDefault(); mention(member); }}>
              <Avatar name={member} size="s" /> {member}
            </li>
          ))}
        </ul>
      )}
      <div className={css.box} data-error={tooLong || undefined}>
        <textarea
          ref={input} rows={1} value={text} placeholder={`Message ${name}`} aria-label={`Message to ${name}`} autoFocus={!phone}
          role={found.length > 0 ? 'combobox' : undefined} aria-expanded={found.length > 0 ? true : undefined}
          aria-controls={found.length > 0 ? listId : undefined} aria-activedescendant={found.length > 0 ? `${listId}-${choice}` : undefined}
          onChange={(event) => change(event.target.value, event.target.selectionStart)}
          onSelect={(event) => setCursor(event.currentTarget.selectionStart)}
          onKeyDown={onKeyDown}
        />
        <button type="button" className={css.send} aria-label="Send" disabled={text.trim() === '' || tooLong} onClick={send}><ArrowUp size={17} /></button>
      </div>
      <p className={css.help} role="status">
        {tooLong ? `Too long by ${bytes - MOST} bytes` : offline ? 'No connection: what you send goes out as soon as it is back.' : phone ? '' : 'Enter sends, Shift and Enter begins a line, @ mentions'}
      </p>
    </div>
  );
}
