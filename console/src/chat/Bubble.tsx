import { memo, useMemo, useState } from 'react';
import { Check, CheckCheck, CircleAlert, Clock } from 'lucide-react';
import { clock } from '../lib/format';
import { MOST, surplus } from '../lib/limits';
import { named, plain } from '../lib/plain';
import type { Message } from './hooks';
import { ReadBy } from './ReadBy';
import { cut, emojiOnly, parts } from './text';
import css from './chat.module.css';

/** Characters of a long text that show before one asks for the rest. */
const LONG = 1200;

interface Props {
  conversation: string;
  message: Message;
  members: ReadonlySet<string>;
  group: boolean;
  /** The last of those that stand together carries the time. */
  last: boolean;
  onRetry: (key: string) => void;
  /** Takes it off the list, and puts its text where it can be changed. */
  onEdit: (key: string, text: string) => void;
}

export const Bubble = memo(function Bubble({ conversation, message, members, group, last, onRetry, onEdit }: Props) {
  const { text, mine, status, at, error, seq } = message;
  const [whole, setWhole] = useState(false);
  const long = !whole && text.length > LONG + 200;
  const found = useMemo(() => {
    const all = parts(plain(text), members);
    return long ? cut(all, LONG) : all;
  }, [text, members, long]);
  // What is too long is refused each time: it can only be made shorter.
  const tooLong = status === 'failed' && surplus(text, MOST.message) > 0;
  return (
    <div className={css.bubbleRow} data-status={status} data-key={message.key} data-seq={seq}>
      <div className={css.bubble} dir="auto" data-emoji={emojiOnly(text) || undefined}>
        {found.map(({ kind, text: part, href }, i) =>
          kind === 'text' ? part : kind === 'link'
            ? <a key={i} href={href} target="_blank" rel="noreferrer noopener">{part}</a>
            : <mark key={i}><bdi>@{named(part.slice(1))}</bdi></mark>)}
        {long && <>{' …'}<button type="button" className={css.rest} onClick={() => setWhole(true)}>Show all</button></>}
      </div>
      {(last || status === 'failed' || status === 'sending') && (
        <p className={css.meta}>
          <time className="num">{clock(at)}</time>
          {mine && (group && seq !== undefined
            ? <ReadBy conversation={conversation} seq={seq}><Status status={status} /></ReadBy>
            : <Status status={status} />)}
          {status === 'failed' && (
            <>
              <span>{error?.message ?? 'it was refused'}</span>
              {!tooLong && <button type="button" onClick={() => onRetry(message.key)}>Send again</button>}
              <button type="button" onClick={() => onEdit(message.key, text)}>Change</button>
            </>
          )}
        </p>
      )}
    </div>
  );
});

const WORDS: Record<Message['status'], string> = {
  sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Not sent',
};

function Status({ status }: { status: Message['status'] }) {
  const Icon = { sending: Clock, sent: Check, delivered: CheckCheck, read: CheckCheck, failed: CircleAlert }[status];
  return (
    <span className={css.receipt} data-status={status} title={WORDS[status]}>
      <Icon size={14} aria-hidden />
      <span className={status === 'sending' || status === 'failed' ? undefined : 'sr'}>{WORDS[status]}</span>
    </span>
  );
}
