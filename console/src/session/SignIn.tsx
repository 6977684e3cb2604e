import { useState, type FormEvent } from 'react';
import { KeyRound, TriangleAlert } from 'lucide-react';
import { blocked } from '../lib/storage';
import { Button } from '../ui/Button';
import { TextArea } from '../ui/Field';
import { composing } from '../ui/keys';
import { Mark } from '../ui/Mark';
import { claims, clean } from './token';
import css from './session.module.css';

interface Props {
  problem: string | undefined;
  onToken: (token: string) => void;
}

export function SignIn({ problem, onToken }: Props) {
  const [isBlocked] = useState(blocked);
  return (
    <main className={css.door}>
      <div className={css.card}>
        <header className={css.brand}>
          <Mark size={36} />
          <div>
            <h1>Fanfare console</h1>
            <p>{location.host}</p>
          </div>
        </header>
        {problem && (
          <p role="alert" className={css.problem}>
            <TriangleAlert size={16} aria-hidden />
            <span>{problem} Paste a new one to go on.</span>
          </p>
        )}
        {isBlocked && <p className={css.hint}>This browser keeps no data for this site: you stay signed in until this page is reloaded or closed.</p>}
        <TokenForm label="Access token" action="Sign in" onToken={onToken} />
        <p className={css.hint}>
          In development the server prints an address that signs you in: open it, or paste it here. It looks like{' '}
          <code className="mono">/#token=eyJ…</code>
        </p>
      </div>
    </main>
  );
}

interface FormProps {
  label: string;
  action: string;
  /** The time by which a token seems to be over; whether it is, the server says. */
  now?: () => number;
  onToken: (token: string) => string | void;
}

export function TokenForm({ label, action, now = Date.now, onToken }: FormProps) {
  const [text, setText] = useState('');
  const [error, setError] = useState<string>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const token = clean(text);
    const said = claims(token);
    if (!said) return setError('This is no token. It has three parts with dots between them and begins with “eyJ”.');
    setError(onToken(token) ?? undefined);
  };
  const expires = claims(clean(text))?.expires;
  const over = expires !== undefined && expires < now();
  return (
    <form className={css.form} onSubmit={submit}>
      <TextArea
        label={label} value={text} error={error} rows={4} dir="ltr" help={over ? 'By the clock of this device it has expired already. The server decides.' : undefined} spellCheck={false} autoComplete="off" autoFocus className={css.token}
        placeholder="eyJhbGciOi…"
        onChange={(event) => { setText(event.target.value); setError(undefined); }}
        onKeyDown={(event) => { if (event.key === 'Enter' && !event.shiftKey && !composing(event)) submit(event); }}
      />
      <Button kind="primary" type="submit" icon={<KeyRound size={15} />} disabled={text.trim() === ''}>{action}</Button>
    </form>
  );
}
