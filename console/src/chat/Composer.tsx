import { useEffect, useId, useImperativeHandle, useLayoutEffect, useRef, useState, type KeyboardEvent, type Ref } from 'react';
import { ArrowUp } from 'lucide-react';
import { usePhone } from '../lib/hooks';
import { Name } from '../lib/Bidi';
import { lengthNote, MOST, sendable } from '../lib/limits';
import { named, plain } from '../lib/plain';
import { useSession } from '../session/context';
import { joined } from '../session/drafts';
import { Avatar } from '../ui/Avatar';
import { composing } from '../ui/keys';
import { mentionable, mentioning } from './text';
import css from './chat.module.css';

export interface ComposerHandle {
  /** Puts a text in, before what is there. */
  put: (text: string) => void;
}

interface Props {
  /** Under which key the draft is kept. */
  draft: string;
  name: string;
  members: readonly string[];
  /** Said below the field; undefined while all is well. */
  note: string | undefined;
  /** Takes the focus on phones, too, where a keyboard comes up. */
  focus: boolean;
  ref: Ref<ComposerHandle>;
  onSend: (text: string) => void;
}

export function Composer({ draft, name, members, note, focus, ref, onSend }: Props) {
  const { drafts } = useSession();
  const [text, setText] = useState(() => drafts.get(draft));
  const [cursor, setCursor] = useState(0);
  const [picked, setPicked] = useState(0);
  const input = useRef<HTMLTextAreaElement>(null);
  /** Where the cursor goes once the text that was put in is there. */
  const wanted = useRef<number>(undefined);
  const phone = usePhone();
  const listId = useId();
  const length = lengthNote(text, MOST.message);
  const tooLong = length?.over === true;
  const word = mentioning(text, cursor);
  const found = word === undefined ? [] : mentionable(members, word, named).slice(0, 6);
  const choice = Math.min(picked, found.length - 1);

  const change = (value: string, at: number) => {
    setText(value);
    setCursor(at);
    setPicked(0);
    drafts.set(draft, value);
  };
  useImperativeHandle(ref, () => ({
    put(more) {
      const value = text.trim() ? `${more}\n${text}` : more;
      wanted.current = more.length;
      change(value, more.length);
    },
  }));
  // The conversation has been made meanwhile: what is typed belongs to it.
  const under = useRef(draft);
  useEffect(() => {
    if (under.current === draft) return;
    drafts.set(under.current, '');
    under.current = draft;
    // It may have been there already, with a draft of its own.
    const all = joined(drafts.get(draft), text);
    drafts.set(draft, all);
    setText(all);
  }, [draft, drafts, text]);
  // After what was typed before, not before it.
  useLayoutEffect(() => input.current!.setSelectionRange(text.length, text.length), []);
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
    const trimmed = sendable(text.trim());
    if (!trimmed || tooLong) return;
    change('', 0);
    onSend(trimmed);
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
    // Enter that ends the composing of a word sends nothing.
    if (composing(event)) return;
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
              <Avatar name={named(member)} size="s" /> <Name id={member} />
            </li>
          ))}
        </ul>
      )}
      <div className={css.box} data-error={tooLong || undefined}>
        <textarea
          ref={input} rows={1} value={text} dir="auto" placeholder={`Message ${name}`} aria-label={`Message to ${plain(name)}`}
          autoFocus={focus || !phone} aria-invalid={tooLong || undefined}
          role={found.length > 0 ? 'combobox' : undefined} aria-expanded={found.length > 0 ? true : undefined}
          aria-controls={found.length > 0 ? listId : undefined} aria-activedescendant={found.length > 0 ? `${listId}-${choice}` : undefined}
          onChange={(event) => change(event.target.value, event.target.selectionStart)}
          onSelect={(event) => setCursor(event.currentTarget.selectionStart)}
          onKeyDown={onKeyDown}
        />
        <button type="button" className={css.send} aria-label="Send" disabled={text.trim() === '' || tooLong} onClick={send}><ArrowUp size={17} /></button>
      </div>
      <p className={css.help} role="status" data-error={tooLong || undefined}>
        {length?.text ?? note ?? (phone ? '' : 'Enter sends, Shift and Enter begins a line, @ mentions')}
      </p>
    </div>
  );
}
